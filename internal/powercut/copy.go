package powercut

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// MountCopy mounts a disk that holds a copy of a folder, all of it on stable
// storage: what an earlier disk held after its power was cut, say.
func MountCopy(dir, from string) (*Disk, error) {
	var failed error
	d, err := mount(dir, func(root *node) { failed = root.load(from) })
	if err != nil {
		return nil, err
	}
	if failed != nil {
		return nil, errors.Join(failed, d.Unmount())
	}
	return d, nil
}

// load copies what a folder holds into this one.
func (n *node) load(from string) error {
	names, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, name := range names {
		path, what, kind := filepath.Join(from, name.Name()), create, uint32(fuse.S_IFREG)
		if name.IsDir() {
			what, kind = mkdir, fuse.S_IFDIR
		}
		info, err := name.Info()
		if err != nil {
			return err
		}
		c, inode := n.child(context.Background(), kind, uint32(info.Mode().Perm()))
		n.AddChild(name.Name(), inode, false)
		n.disk.did(step{what: what, node: n.id, name: name.Name(), other: c.id})
		if name.IsDir() {
			err = c.load(path)
		} else if c.data, err = os.ReadFile(path); err == nil {
			n.disk.did(step{what: write, node: c.id, data: append([]byte(nil), c.data...)})
			n.disk.did(step{what: fsync, node: c.id})
		}
		if err != nil {
			return err
		}
	}
	n.disk.did(step{what: fsync, node: n.id})
	return nil
}
