/* TFLite's kernels name themselves to ruy's profiler; without RUY_PROFILER, as TFLM is built, that does nothing. */
#ifndef COVERIFY_REFERENCE_INSTRUMENTATION_H
#define COVERIFY_REFERENCE_INSTRUMENTATION_H

namespace ruy
{
namespace profiler
{

struct ScopeLabel {
    template <typename... Parts> explicit ScopeLabel(const Parts &...)
    {
    }
};

} // namespace profiler
} // namespace ruy

#endif
