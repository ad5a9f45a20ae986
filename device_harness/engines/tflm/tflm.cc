/* The engine of TensorFlow Lite Micro: its own MicroInterpreter, in the library that the user built.
 *
 * TFLM has no public call that runs one operator. Here its interpreter gets every kernel behind a gate: `run(op)`
 * invokes the network with the gate open for that operator only, so that the arena is the one that TFLM plans for
 * the product, cycles are each operator's own, and the board hears of every operator.
 * Operators are those of operators.h that the library has; what else a model has is refused by name.
 * TFLM aborts on some models that it does not like. The FlatBuffers verifier is run before it sees one, and where it
 * halts all the same the load or the run is refused with the first line that it logged: the cause.
 */
#include <csetjmp>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <new>

#include "tensorflow/lite/micro/compatibility.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/schema/schema_generated.h"

#include "operators.h"

extern "C" {
#include "engine.h"
}

#ifndef CV_TFLM_NAMESPACE
#define CV_TFLM_NAMESPACE tflite /* forks have another */
#endif
#ifndef CV_TFLM_ROUNDING
#define CV_TFLM_ROUNDING "double" /* what the library was compiled with: TFLITE_SINGLE_ROUNDING is "single" */
#endif
#ifndef CV_TFLM_PRESERVE
#define CV_TFLM_PRESERVE false /* true: no tensor shares memory with another, whatever the planner would do */
#endif

/* Where a library brings its own log to the end, it may still have this way to hear it: target cortex_m_generic. */
extern "C" void RegisterDebugLogCallback(void (*callback)(const char *)) __attribute__((weak));
extern "C" void cv_tflm_halt(void);

namespace
{

namespace tflm = CV_TFLM_NAMESPACE;

using Resolver = tflm::MicroMutableOpResolver<operators::n_operators>;

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

enum cv_status refuse(struct cv_refusal *why, enum cv_status status, const char *text)
{
    cv_message_clear(&why->message);
    cv_message_text(&why->message, text);
    why->detail = CV_NO_DETAIL;
    return status;
}

/* "op 3 ADD: …" */
enum cv_status refuse_operator(struct cv_refusal *why, enum cv_status status, uint32_t op,
                               tflm::BuiltinOperator code, const char *text)
{
    (void)refuse(why, status, "op ");
    cv_message_i64(&why->message, op);
    cv_message_text(&why->message, " ");
    cv_message_text(&why->message, tflm::EnumNameBuiltinOperator(code));
    cv_message_text(&why->message, ": ");
    cv_message_text(&why->message, text);
    why->detail = op;
    return status;
}

tflm::BuiltinOperator code_of(const tflm::OperatorCode *code)
{
    int deprecated = code->deprecated_builtin_code();
    int builtin = static_cast<int>(code->builtin_code());
    return static_cast<tflm::BuiltinOperator>(deprecated > builtin ? deprecated : builtin);
}

tflm::BuiltinOperator code_at(uint32_t op)
{
    return code_of(loaded->operator_codes()->Get(graph()->operators()->Get(op)->opcode_index()));
}

constexpr uint32_t nowhere = 0xFFFFFFFFu;
uint32_t wanted;           /* the only operator whose kernel runs in the present Invoke */
uint32_t arrived;          /* the operator that the interpreter comes to next, in Prepare or in Invoke */
uint32_t inside = nowhere; /* the operator whose kernel has been called and has not said that all is well */
const TfLiteContext *context; /* of the loaded network, known from the first Prepare on */

TfLiteStatus gate_prepare(TfLiteContext *given, TfLiteNode *node)
{
    uint32_t op = arrived++;
    const TFLMRegistration *found = resolver->FindOp(code_at(op));
    context = given;
    if (found->prepare == nullptr)
        return kTfLiteOk;
    inside = op;
    TfLiteStatus status = found->prepare(given, node);
    inside = status == kTfLiteOk ? nowhere : op;
    return status;
}

TfLiteStatus gate_invoke(TfLiteContext *given, TfLiteNode *node)
{
    uint32_t op = arrived++;
    if (op != wanted)
        return kTfLiteOk;
    inside = op;
    TfLiteStatus status = resolver->FindOp(code_at(op))->invoke(given, node);
    inside = status == kTfLiteOk ? nowhere : op;
    return status;
}

/* Before TFLM walks over the operators. */
void begin(uint32_t op)
{
    wanted = op;
    arrived = 0;
    inside = nowhere;
}

/* The library's operators, each with the gate before its kernel. */
class GatedResolver : public tflm::MicroOpResolver
{
  public:
    const TFLMRegistration *FindOp(tflm::BuiltinOperator code) const override
    {
        const TFLMRegistration *found = resolver->FindOp(code);
        if (found == nullptr)
            return nullptr;
        TFLMRegistration *end = gated_ + n_;
        for (TFLMRegistration *known = gated_; known < end; known++)
            if (known->builtin_code == static_cast<int32_t>(code))
                return known;
        if (n_ == operators::n_operators)
            return nullptr;
        n_++;
        *end = *found;
        end->builtin_code = static_cast<int32_t>(code);
        end->prepare = gate_prepare;
        end->invoke = gate_invoke;
        return end;
    }

    const TFLMRegistration *FindOp(const char *) const override
    {
        return nullptr;
    }

    tflm::TfLiteBridgeBuiltinParseFunction GetOpDataParser(tflm::BuiltinOperator code) const override
    {
        return resolver->GetOpDataParser(code);
    }

  private:
    mutable TFLMRegistration gated_[operators::n_operators];
    mutable unsigned n_ = 0;

    TF_LITE_REMOVE_VIRTUAL_DELETE
};

alignas(GatedResolver) unsigned char gated_memory[sizeof(GatedResolver)];
GatedResolver *gated;

/* The first line that TFLM logged in a load or a run, for the refusal that follows. */
char logged[96];

/* Where a halt of TFLM's goes while it loads or runs. */
std::jmp_buf way_out;
bool may_halt;

void hear(const char *text)
{
    unsigned n = 0;
    if (std::strncmp(text, "HALTED", 6) == 0)
        cv_tflm_halt(); /* TFLITE_ABORT with TF_LITE_MCU_DEBUG_LOG: an endless loop follows */
    if (logged[0] != '\0')
        return;
    for (; n + 1 < sizeof logged && text[n] >= ' ' && text[n] <= '~'; n++)
        logged[n] = text[n];
    logged[n] = '\0';
}

/* false: TFLM halted in it. */
template <class Work> bool survives(Work work)
{
    if (setjmp(way_out) != 0)
        return false;
    may_halt = true;
    work();
    may_halt = false;
    return true;
}

/* What TFLM did, in the operator that did not come back well if there is one, and what it logged. */
enum cv_status refuse_logged(struct cv_refusal *why, enum cv_status status, const char *text)
{
    if (inside != nowhere)
        (void)refuse_operator(why, status, inside, code_at(inside), text);
    else
        (void)refuse(why, status, text);
    if (logged[0] != '\0') {
        cv_message_text(&why->message, ": ");
        cv_message_text(&why->message, logged);
    }
    return status;
}

void prepare_resolvers()
{
    if (resolver == nullptr) {
        resolver = new (resolver_memory) Resolver();
        operators::add_to(resolver);
        gated = new (gated_memory) GatedResolver();
        if (RegisterDebugLogCallback != nullptr)
            RegisterDebugLogCallback(hear);
    }
    logged[0] = '\0';
}

/* Everything that the functions below rely on. */
enum cv_status check(const tflm::Model *model, struct cv_refusal *why)
{
    if (model->version() != TFLITE_SCHEMA_VERSION)
        return refuse(why, CV_UNSUPPORTED, "schema version");
    if (model->subgraphs() == nullptr || model->subgraphs()->size() != 1 ||
        model->operator_codes() == nullptr)
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
            return refuse_operator(why, CV_UNSUPPORTED, i, code, "not in this engine");
    }
    return CV_OK;
}

enum cv_status load(const uint8_t *model, uint32_t size, uint8_t *arena, uint32_t capacity,
                    struct cv_model_facts *facts, struct cv_refusal *why)
{
    prepare_resolvers();
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
    begin(nowhere);
    interpreter = new (interpreter_memory)
        tflm::MicroInterpreter(loaded, *gated, arena, capacity, nullptr, nullptr, CV_TFLM_PRESERVE);
    TfLiteStatus allocated = kTfLiteError;
    bool survived = survives([&allocated] { allocated = interpreter->AllocateTensors(); });
    if (!survived || allocated != kTfLiteOk)
        interpreter = nullptr;
    if (!survived)
        return refuse_logged(why, CV_UNSUPPORTED, "TFLM halted in AllocateTensors");
    if (allocated != kTfLiteOk)
        return refuse_logged(why, CV_UNSUPPORTED, "AllocateTensors failed");
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
    case kTfLiteUInt8: return 1;
    case kTfLiteInt16: return 2;
    case kTfLiteInt32:
    case kTfLiteFloat32: return 4;
    case kTfLiteInt64: return 8;
    default: return 0;
    }
}

bool tensor(uint32_t index, struct cv_span *span)
{
    if (index >= graph()->tensors()->size())
        return false;
    const TfLiteEvalTensor *t = context->GetEvalTensor(context, static_cast<int>(index));
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
    if (interpreter == nullptr)
        return refuse(why, CV_ENGINE, "TFLM has halted: load the model again");
    TfLiteStatus invoked = kTfLiteError;
    begin(op);
    logged[0] = '\0';
    bool survived = survives([&invoked] { invoked = interpreter->Invoke(); });
    if (survived && invoked == kTfLiteOk)
        return CV_OK;
    enum cv_status status =
        refuse_logged(why, CV_ENGINE, survived ? "Invoke failed" : "TFLM halted in Invoke");
    if (!survived)
        interpreter = nullptr;
    return status;
}

/* The variable tensors, and what kernels keep beside them. */
enum cv_status reset(struct cv_refusal *why)
{
    if (interpreter == nullptr)
        return refuse(why, CV_ENGINE, "TFLM has halted: load the model again");
    TfLiteStatus status = kTfLiteError;
    begin(nowhere);
    logged[0] = '\0';
    bool survived = survives([&status] { status = interpreter->Reset(); });
    if (survived && status == kTfLiteOk)
        return CV_OK;
    (void)refuse_logged(why, CV_ENGINE, survived ? "Reset failed" : "TFLM halted in Reset");
    if (!survived)
        interpreter = nullptr;
    return CV_ENGINE;
}

} // namespace

/* Returns where nothing waits for a halt. */
void cv_tflm_halt(void)
{
    if (may_halt) {
        may_halt = false;
        std::longjmp(way_out, 1);
    }
}

#if defined(__arm__) && !defined(__linux__)
/* TFLM's way out for its log. The library's own one, if it has one, is left in the archive. */
extern "C" __attribute__((weak)) void DebugLog(const char *format, va_list args);
extern "C" __attribute__((weak)) int DebugVsnprintf(char *to, size_t size, const char *format, va_list args);

void DebugLog(const char *format, va_list args)
{
    char line[sizeof logged];
    (void)std::vsnprintf(line, sizeof line, format, args);
    hear(line);
}

int DebugVsnprintf(char *to, size_t size, const char *format, va_list args)
{
    return std::vsnprintf(to, size, format, args);
}
#endif

extern "C" const struct cv_engine cv_engine_linked;
const struct cv_engine cv_engine_linked = {
    "tflm", CV_TFLM_ROUNDING, load, input, output, op_n_outputs, op_output, tensor, run, reset,
};
