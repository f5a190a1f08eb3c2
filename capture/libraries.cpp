#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>

#include <opencv2/videoio.hpp>

// OpenCV's library for video needs a hundred and eighty others, 50 MB of memory and
// a third of a second at each start, and what reads no video wants none of them. So
// the one function of it that gocv calls is defined here and fetches it at the first
// call; all else is reached through what that one makes. It is the constructor of
// cv::VideoCapture.
extern "C" void nrd_video_capture(void* at) __asm__("_ZN2cv12VideoCaptureC1Ev");

namespace {

void* fetch(const char* function) {
    char file[64];
    std::snprintf(file, sizeof file, "libopencv_videoio.so.%d%02d", CV_VERSION_MAJOR, CV_VERSION_MINOR);
    void* library = dlopen(file, RTLD_NOW);
    void* found = library ? dlsym(library, function) : nullptr;
    if (!found) {
        std::fprintf(stderr, "nrd-agent: video cannot be read: %s\n", dlerror());
        std::exit(1);
    }
    return found;
}

}  // namespace

extern "C" void nrd_video_capture(void* at) {
    static void* const construct = fetch("_ZN2cv12VideoCaptureC1Ev");
    reinterpret_cast<void (*)(void*)>(construct)(at);
}
