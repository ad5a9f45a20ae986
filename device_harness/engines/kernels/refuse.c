/* Messages of a refused load: see refuse.h. */
#include "refuse.h"

#include "schema.h"

static void begin(struct k_load *l, const char *operator_name)
{
    struct cv_message *m = &l->why->message;
    cv_message_clear(m);
    l->why->detail = l->op;
    if (l->op == CV_NO_DETAIL)
        return;
    cv_message_text(m, "op ");
    cv_message_i64(m, l->op);
    cv_message_text(m, " ");
    cv_message_text(m, operator_name);
    cv_message_text(m, ": ");
}

static void begin_known(struct k_load *l)
{
    const char *name = "?";
    if (l->op != CV_NO_DETAIL && l->graph->ops[l->op].kind != NULL)
        name = k_operator_name(l->graph->ops[l->op].kind->builtin);
    begin(l, name);
}

enum cv_status k_refuse(struct k_load *l, enum cv_status status, const char *text)
{
    begin_known(l);
    cv_message_text(&l->why->message, text);
    return status;
}

enum cv_status k_refuse_tensor(struct k_load *l, enum cv_status status, uint32_t tensor, const char *text)
{
    begin_known(l);
    cv_message_text(&l->why->message, "tensor ");
    cv_message_i64(&l->why->message, tensor);
    cv_message_text(&l->why->message, ": ");
    cv_message_text(&l->why->message, text);
    return status;
}

enum cv_status k_refuse_number(struct k_load *l, enum cv_status status, const char *text, int64_t number)
{
    begin_known(l);
    cv_message_text(&l->why->message, text);
    cv_message_text(&l->why->message, " ");
    cv_message_i64(&l->why->message, number);
    return status;
}

enum cv_status k_refuse_operator(struct k_load *l, uint32_t builtin, struct fb_vector custom_name)
{
    struct cv_message *m = &l->why->message;
    const struct fb_reader *file = &l->graph->file;
    begin(l, k_operator_name(builtin));
    if (builtin == BUILTIN_CUSTOM && custom_name.n > 0) {
        cv_message_bytes(m, file->data + custom_name.at, custom_name.n < 40u ? custom_name.n : 40u);
        cv_message_text(m, ": ");
    }
    cv_message_text(m, "not in this engine");
    return CV_UNSUPPORTED;
}
