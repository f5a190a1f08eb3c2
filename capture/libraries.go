package capture

// What stands beside this file in C++ is compiled with the package.

// #cgo LDFLAGS: -ldl
import "C"
