#!/usr/bin/python3
"""A real RTSP camera for the tests: GStreamer's RTSP server with its test picture.

It listens on a free port of loopback, prints the port and serves /stream until
it is ended. With a password it wants the user "officer". --frames N ends the
stream after so many pictures.
"""
import argparse
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

options = argparse.ArgumentParser()
options.add_argument("--password", default="")
options.add_argument("--frames", type=int, default=-1)
options = options.parse_args()

Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service("0")

factory = GstRtspServer.RTSPMediaFactory()
factory.set_shared(True)
factory.set_launch(
    "( videotestsrc is-live=true num-buffers=%d ! video/x-raw,width=320,height=240,framerate=25/1"
    " ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10"
    " ! rtph264pay name=pay0 pt=96 config-interval=1 )" % options.frames)

if options.password:
    officer = GstRtspServer.RTSPToken()
    officer.set_string("media.factory.role", "officer")
    auth = GstRtspServer.RTSPAuth()
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic("officer", options.password), officer)
    server.set_auth(auth)
    rights = "officer, media.factory.access=(boolean)true, media.factory.construct=(boolean)true"
    factory.add_role_from_structure(Gst.Structure.new_from_string(rights))

server.get_mount_points().add_factory("/stream", factory)
if server.attach(None) == 0:
    sys.exit("cannot listen")
print(server.get_bound_port(), flush=True)
GLib.MainLoop().run()
