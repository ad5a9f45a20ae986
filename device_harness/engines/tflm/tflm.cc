/* The engine of TensorFlow Lite Micro: its own MicroInterpreter, in the library that the user built.
 *
 * All tensors are preserved, so that every operator's output can be read. TFLM has no public call that runs one
 * operator: operator 0 runs the whole network, the others find their outputs already there.
 * Operators are those that the library's MicroMutableOpResolver adds; what else a model has is refused by name.
 * TFLM aborts on some models that it does not like; the FlatBuffers verifier is run before it sees one.
 */
#include <cstdint>
#include <new>

#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/schema/schema_generated.h"

extern "C" {
#include "engine.h"
}

#ifndef CV_TFLM_NAMESPACE
#define CV_TFLM_NAMESPACE tflite /* forks have another */
#endif
#ifndef CV_TFLM_ROUNDING
#define CV_TFLM_ROUNDING "double" /* what the library was compiled with: TFLITE_SINGLE_ROUNDING is "single" */
#endif

namespace
{

namespace tflm = CV_TFLM_NAMESPACE;

using Resolver = tflm::MicroMutableOpResolver<64>;

alignas(Resolver) unsigned char resolver_memory[sizeof(Resolver)];
alignas(tflm::MicroInterpreter) unsigned char interpreter_memory[sizeof(tflm::MicroInterpreter)];
Resolver *resolver;
tflm::MicroInterpreter *interpreter;
const tflm::Model *loaded;
const uint8_t *arena_begin;
const uint8_t *arena_end;

const tflm::SubGraph *graph()
{
    return loaded->subgraphs()->Get(0);
}

/* What converters write into int8 networks; a library without one of them does not link: take its line out. */
void add_operators(Resolver *r)
{
    (void)r->AddAdd();
    (void)r->AddAveragePool2D();
    (void)r->AddConcatenation();
    (void)r->AddConv2D();
    (void)r->AddDepthwiseConv2D();
    (void)r->AddDequantize();
    (void)r->AddExpandDims();
    (void)r->AddFullyConnected();
    (void)r->AddHardSwish();
    (void)r->AddLeakyRelu();
    (void)r->AddLogistic();
    (void)r->AddMaxPool2D();
    (void)r->AddMean();
    (void)r->AddMul();
    (void)r->AddPack();
    (void)r->AddPad();
    (void)r->AddPadV2();
    (void)r->AddQuantize();
    (void)r->AddRelu();
    (void)r->AddRelu6();
    (void)r->AddReshape();
    (void)r->AddShape();
    (void)r->AddSlice();
    (void)r->AddSoftmax();
    (void)r->AddSqueeze();
    (void)r->AddStridedSlice();
    (void)r->AddSub();
    (void)r->AddSum();
    (void)r->AddTanh();
    (void)r->AddTranspose();
    (void)r->AddTransposeConv();
}

enum cv_status refuse(struct cv_refusal *why, enum cv_status status, const char *text)
{
    cv_message_clear(&why->message);
    cv_message_text(&why->message, text);
    why->detail = CV_NO_DETAIL;
    return status;
}

enum cv_status refuse_operator(struct cv_refusal *why, uint32_t op, tflm::BuiltinOperator code)
{
    (void)refuse(why, CV_UNSUPPORTED, "op ");
    cv_message_i64(&why->message, op);
    cv_message_text(&why->message, " ");
    cv_message_text(&why->message, tflm::EnumNameBuiltinOperator(code));
    cv_message_text(&why->message, ": not in this engine");
    why->detail = op;
    return CV_UNSUPPORTED;
}

tflm::BuiltinOperator code_of(const tflm::OperatorCode *code)
{
    int deprecated = code->deprecated_builtin_code();
    int builtin = static_cast<int>(code->builtin_code());
    return static_cast<tflm::BuiltinOperator>(deprecated > builtin ? deprecated : builtin);
}

/* Everything that the functions below rely on. */
enum cv_status check(const tflm::Model *model, struct cv_refusal *why)
{
    if (model->version() != TFLITE_SCHEMA_VERSION)
        return refuse(why, CV_UNSUPPORTED, "schema version");
    if (model->subgraphs() == nullptr || model->subgraphs()->size() != 1 || model->operator_codes() == nullptr)
        return refuse(why, CV_UNSUPPORTED, "one subgraph is supported");
    const tflm::SubGraph *sub = model->subgraphs()->Get(0);
    if (sub->operators() == nullptr || sub->tensors() == nullptr || sub->inputs() == nullptr ||
        sub->outputs() == nullptr || sub->operators()->size() == 0)
        return refuse(why, CV_BAD_MODEL, "a model without operators, tensors, inputs or outputs");
    for (uint32_t i = 0; i < sub->operators()->size(); i++) {
        const tflm::Operator *op = sub->operators()->Get(i);
        if (op->opcode_index() >= model->operator_codes()->size() || op->outputs() == nullptr)
            return refuse(why, CV_BAD_MODEL, "no such operator code, or no outputs");
        tflm::BuiltinOperator code = code_of(model->operator_codes()->Get(op->opcode_index()));
        if (code == tflm::BuiltinOperator_CUSTOM || resolver->FindOp(code) == nullptr)
            return refuse_operator(why, i, code);
    }
    return CV_OK;
}

enum cv_status load(const uint8_t *model, uint32_t size, uint8_t *arena, uint32_t capacity,
                    struct cv_model_facts *facts, struct cv_refusal *why)
{
    if (resolver == nullptr) {
        resolver = new (resolver_memory) Resolver();
        add_operators(resolver);
    }
    /* The old interpreter is left, not destroyed: its destructor would read the old model, whose bytes have been
     * overwritten, and TFLM holds nothing outside the arena. */
    interpreter = nullptr;
    flatbuffers::Verifier verifier(model, size);
    if (!tflm::VerifyModelBuffer(verifier))
        return refuse(why, CV_BAD_MODEL, "not a .tflite file: the FlatBuffers verifier refuses it");
    loaded = tflm::GetModel(model);
    enum cv_status status = check(loaded, why);
    if (status != CV_OK)
        return status;
    arena_begin = arena;
    arena_end = arena + capacity;
    interpreter =
        new (interpreter_memory) tflm::MicroInterpreter(loaded, *resolver, arena, capacity, nullptr, nullptr, true);
    if (interpreter->AllocateTensors() != kTfLiteOk) {
        interpreter = nullptr;
        return refuse(why, CV_UNSUPPORTED, "AllocateTensors failed: the arena is too small, or an operator's type");
    }
    facts->n_operators = graph()->operators()->size();
    facts->n_tensors = graph()->tensors()->size();
    facts->arena_used = static_cast<uint32_t>(interpreter->arena_used_bytes());
    facts->n_inputs = graph()->inputs()->size();
    facts->n_outputs = graph()->outputs()->size();
    return CV_OK;
}

uint32_t input(uint32_t ordinal)
{
    return static_cast<uint32_t>(graph()->inputs()->Get(ordinal));
}

uint32_t output(uint32_t ordinal)
{
    return static_cast<uint32_t>(graph()->outputs()->Get(ordinal));
}

uint32_t op_n_outputs(uint32_t op)
{
    return op < graph()->operators()->size() ? graph()->operators()->Get(op)->outputs()->size() : 0;
}

uint32_t op_output(uint32_t op, uint32_t ordinal)
{
    return static_cast<uint32_t>(graph()->operators()->Get(op)->outputs()->Get(ordinal));
}

uint32_t width(TfLiteType type)
{
    switch (type) {
    case kTfLiteBool:
    case kTfLiteInt8:
    case kTfLiteUInt8:
        return 1;
    case kTfLiteInt16:
        return 2;
    case kTfLiteInt32:
    case kTfLiteFloat32:
        return 4;
    case kTfLiteInt64:
        return 8;
    default:
        return 0;
    }
}

bool tensor(uint32_t index, struct cv_span *span)
{
    if (index >= graph()->tensors()->size())
        return false;
    const TfLiteEvalTensor *t = interpreter->GetTensor(static_cast<int>(index));
    if (t == nullptr || t->data.data == nullptr || t->dims == nullptr)
        return false;
    uint64_t n = width(t->type);
    for (int i = 0; i < t->dims->size && n <= 0xFFFFFFFFu; i++)
        n *= static_cast<uint32_t>(t->dims->data[i]);
    span->data = static_cast<uint8_t *>(t->data.data);
    span->n = static_cast<uint32_t>(n);
    return n > 0 && n <= 0xFFFFFFFFu && span->data >= arena_begin && span->data + n <= arena_end;
}

enum cv_status run(uint32_t op, struct cv_refusal *why)
{
    if (op != 0 || interpreter->Invoke() == kTfLiteOk)
        return CV_OK;
    return refuse(why, CV_ENGINE, "Invoke failed");
}

} // namespace

extern "C" const struct cv_engine cv_engine_linked;
const struct cv_engine cv_engine_linked = {
    "tflm", CV_TFLM_ROUNDING, load, input, output, op_n_outputs, op_output, tensor, run,
};
