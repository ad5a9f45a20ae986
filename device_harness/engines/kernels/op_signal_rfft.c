/* SignalRfft and SignalIrfft of int16: frames to their spectra, real and imaginary parts in turn, and back.
 *
 * A frame that is shorter than the transform is filled up with zeros. Source: TFLM signal/micro/kernels/rfft.cc,
 * irfft.cc.
 */
#include "channels.h"
#include "fixed_fft.h"
#include "operators.h"
#include "refuse.h"
#include "signal_checks.h"

#define OPTION_INT16 7

struct plan {
    struct k_fft fft;
    uint32_t n_frames;
    uint32_t n_in; /* elements of a frame, or of a spectrum */
    uint32_t n_out;
};

static enum cv_status read_length(struct k_load *l, const struct k_op *op, int32_t *length)
{
    struct k_options options;
    int32_t type = 0;
    enum cv_status status = k_options_open(l, op, &options);
    if (status == CV_OK && (options.n != 2 || !k_option_is_named(&options, 0, "T") ||
                            !k_option_is_named(&options, 1, "fft_length")))
        return k_refuse(l, CV_UNSUPPORTED, "its options are not T and fft_length");
    if (status == CV_OK)
        status = k_option(l, &options, 0, OPTION_INT16, OPTION_INT16, &type);
    return status == CV_OK ? k_option(l, &options, 1, 4, K_FFT_MAX_LENGTH, length) : status;
}

static bool same_frames(const struct k_tensor *in, const struct k_tensor *out)
{
    bool same = in->rank == out->rank && in->rank > 0;
    for (uint32_t i = 0; same && i + 1u < in->rank; i++)
        same = in->dims[i] == out->dims[i];
    return same;
}

static enum cv_status prepare(struct k_load *l, struct k_op *op, bool inverse)
{
    const struct k_tensor *in = &l->graph->tensors[op->inputs[0]];
    const struct k_tensor *out = &l->graph->tensors[op->output];
    int32_t length = 0;
    enum cv_status status = k_check_elements(l, op->inputs[0], K_INT16, K_ANY_RANK);
    if (status == CV_OK)
        status = k_check_elements(l, op->output, K_INT16, K_ANY_RANK);
    if (status == CV_OK)
        status = read_length(l, op, &length);
    if (status == CV_OK && !same_frames(in, out))
        status = k_refuse(l, CV_BAD_MODEL, "input and output have other numbers of frames");
    struct plan *p = status == CV_OK ? k_alloc(l, sizeof *p) : NULL;
    if (p == NULL)
        return status == CV_OK ? CV_NO_ARENA : status;
    op->plan = p;
    p->n_in = (uint32_t)in->dims[in->rank - 1u];
    p->n_out = (uint32_t)out->dims[out->rank - 1u];
    p->n_frames = in->n_elements / p->n_in;
    uint32_t points = inverse ? p->n_out : p->n_in;
    uint32_t parts = inverse ? p->n_in : p->n_out;
    if (points > (uint32_t)length || (inverse && points != (uint32_t)length) ||
        parts != (uint32_t)length + 2u)
        return k_refuse_number(l, CV_BAD_MODEL, "its shapes do not go with a transform of", length);
    status = k_fft_prepare(l, length, inverse, &p->fft);
    return status == CV_OK ? k_count_macs(l, p->n_frames * k_fft_macs(&p->fft)) : status;
}

enum cv_status k_signal_rfft_prepare(struct k_load *l, struct k_op *op)
{
    return prepare(l, op, false);
}

enum cv_status k_signal_irfft_prepare(struct k_load *l, struct k_op *op)
{
    return prepare(l, op, true);
}

enum cv_status k_signal_rfft_run(const struct k_graph *g, const struct k_op *op)
{
    const struct plan *p = op->plan;
    const int8_t *x = k_read(g, op->inputs[0]);
    int8_t *y = k_write(g, op->output);
    for (uint32_t i = 0; i < p->n_frames; i++, x += 2u * p->n_in, y += 2u * p->n_out)
        if (p->fft.inverse)
            k_fft_backward(&p->fft, x, y);
        else
            k_fft_forward(&p->fft, x, p->n_in, y);
    return CV_OK;
}
