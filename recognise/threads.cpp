#include "threads.h"

#include <opencv2/core/utility.hpp>

void nrd_set_threads(int threads) { cv::setNumThreads(threads); }
