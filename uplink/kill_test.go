package uplink

func appendForever(dir string) {}
