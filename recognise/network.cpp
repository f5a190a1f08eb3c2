#include "network.h"

#include <cstring>
#include <exception>
#include <vector>

#include <opencv2/core.hpp>
#include <opencv2/dnn.hpp>

namespace {

struct Network {
    cv::dnn::Net net;
    // planes is the input, result what the last run gave.
    cv::Mat planes, result;
};

// guarded runs f and makes an exception a message: none may reach Go.
template <typename F> char *guarded(F f) {
    try {
        f();
        return nullptr;
    } catch (const std::exception &e) {
        return strdup(e.what());
    } catch (...) {
        return strdup("an exception without a message");
    }
}

}  // namespace

char *nrd_network_open(const void *onnx, size_t size, void **network) {
    return guarded([&] {
        *network = new Network{cv::dnn::readNetFromONNX(static_cast<const char *>(onnx), size), {}, {}};
    });
}

void nrd_network_close(void *network) { delete static_cast<Network *>(network); }

char *nrd_network_run(void *network, void *picture, double shift, double scale, int sizes[4], float **values) {
    return guarded([&] {
        Network &n = *static_cast<Network *>(network);
        const cv::Mat &p = *static_cast<cv::Mat *>(picture);
        CV_Assert(p.depth() == CV_8U && p.dims == 2);
        const int shape[] = {1, p.channels(), p.rows, p.cols};
        n.planes.create(4, shape, CV_8U);  // keeps its memory where the sizes are the same
        std::vector<cv::Mat> channels;
        for (int c = 0; c < p.channels(); c++) channels.emplace_back(p.rows, p.cols, CV_8U, n.planes.ptr(0, c));
        cv::split(p, channels);
        n.net.setInput(n.planes, "", scale, cv::Scalar::all(shift));
        n.result = n.net.forward();
        CV_Assert(n.result.dims == 4 && n.result.type() == CV_32F && n.result.isContinuous());
        for (int i = 0; i < 4; i++) sizes[i] = n.result.size[i];
        *values = n.result.ptr<float>();
    });
}
