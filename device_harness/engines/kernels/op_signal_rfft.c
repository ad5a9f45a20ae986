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

struct plan {
    struct k_fft fft;
    uint32_t n_frames;
    uint32_t n_in; /* elements of a frame, or of a spectrum */
    uint32_t n_out;
};

static enum cv_status read_length(struct k_load *l, const struct k_op *op, int32_t *length)
{
    struct k_options options;
    enum cv_status status = k_options_open(l, op, &options);
    if (status == CV_OK)
        status = k_check_int16_option(l, &options, "fft_length");
    return status == CV_OK ? k_option(l, &options, 1, 4, K_FFT_MAX_LENGTH, length) : status;
}

static enum cv_status prepare(struct k_load *l, struct k_op *op, bool inverse)
{
    uint32_t n_in = 0;
    int32_t length = 0;
    enum cv_status status = k_check_samples(l, op, &n_in);
    if (status == CV_OK)
        status = read_length(l, op, &length);
    struct plan *p = status == CV_OK ? k_alloc(l, sizeof *p) : NULL;
    if (p == NULL)
        return status == CV_OK ? CV_NO_ARENA : status;
    op->plan = p;
    p->n_in = n_in;
    p->n_out = (uint32_t)length + (inverse ? 0u : 2u);
    p->n_frames = l->graph->tensors[op->inputs[0]].n_elements / n_in;
    bool fits = inverse ? n_in == (uint32_t)length + 2u : n_in <= (uint32_t)length;
    if (!fits || !k_has_dimensions(l, op, 1, &p->n_out, 1))
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
