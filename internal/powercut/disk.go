// Package powercut is a disk whose power can be cut after any write, for tests of
// what must survive that.
//
// A [Disk] is a file system in memory, mounted through FUSE, that remembers every
// change and every fsync in their order. Nothing is cut while the program under
// test runs: its [Trace] can afterwards be cut at each of its steps, and what a
// disk may then hold is written to a folder, where the program is started again:
//
//	disk, err := powercut.Mount(dir)
//	… // the program works in dir, and calls Promise(dir, "kept 1") when it promised something
//	trace := disk.Trace()
//	for cut := range trace.Cuts() {
//		for _, survival := range powercut.Survivals {
//			err := cut.Restore(folder, survival, seed)
//			… // open it there; everything in cut.Promises must hold
//		}
//	}
//
// The disk is as unkind as POSIX allows: what was written to a file is safe once
// that file was fsynced, a name that was made, renamed or removed once its folder
// was, and until then any part of it may be lost.
//
// The program under test must be another process than the one that mounts, or it
// stands still when it maps a file into memory.
package powercut

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// promisesFile is where Promise writes; it is no file of the disk's.
const promisesFile = ".promises"

// Promise notes, in the trace of the disk that is mounted at dir, that the
// program has promised something: every later cut has it among its promises.
func Promise(dir, text string) error {
	f, err := os.OpenFile(filepath.Join(dir, promisesFile), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

// Disk is a mounted disk.
type Disk struct {
	server *fuse.Server

	mu    sync.Mutex
	steps []step
	nodes uint64
}

// Mount mounts an empty disk at a folder that is there. It needs /dev/fuse, and
// root's rights or fusermount3.
func Mount(dir string) (*Disk, error) { return mount(dir, nil) }

// mount mounts a disk that fill may fill before anybody sees it.
func mount(dir string, fill func(root *node)) (*Disk, error) {
	d := &Disk{}
	root := &node{disk: d, mode: 0o700}
	server, err := fs.Mount(dir, root, &fs.Options{
		OnAdd: func(context.Context) {
			if fill != nil {
				fill(root)
			}
		},
		MountOptions: fuse.MountOptions{DirectMount: true, DisableXAttrs: true, FsName: "powercut", Name: "powercut"},
		UID:          uint32(os.Getuid()), GID: uint32(os.Getgid()),
	})
	if err != nil {
		return nil, fmt.Errorf("powercut: mounting at %s: %w", dir, err)
	}
	d.server = server
	return d, nil
}

// Unmount ends the disk; its trace stays. The files of a process that has ended are
// given back a moment later, and until then the disk is busy.
func (d *Disk) Unmount() (err error) {
	for range 50 {
		if err = d.server.Unmount(); err == nil {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return err
}

// Trace gives everything that was done so far.
func (d *Disk) Trace() *Trace {
	d.mu.Lock()
	defer d.mu.Unlock()
	return &Trace{steps: slices.Clone(d.steps)}
}

func (d *Disk) did(s step) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.steps = append(d.steps, s)
}

func (d *Disk) newID() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.nodes++
	return d.nodes
}

// node is a file or folder as the program sees it. The tree of names is
// go-fuse's.
type node struct {
	fs.Inode
	disk *Disk
	id   uint64

	mu   sync.Mutex
	mode uint32
	data []byte
}

var (
	_ fs.NodeCreater   = (*node)(nil)
	_ fs.NodeMkdirer   = (*node)(nil)
	_ fs.NodeUnlinker  = (*node)(nil)
	_ fs.NodeRmdirer   = (*node)(nil)
	_ fs.NodeRenamer   = (*node)(nil)
	_ fs.NodeLinker    = (*node)(nil)
	_ fs.NodeOpener    = (*node)(nil)
	_ fs.NodeReader    = (*node)(nil)
	_ fs.NodeWriter    = (*node)(nil)
	_ fs.NodeFsyncer   = (*node)(nil)
	_ fs.NodeGetattrer = (*node)(nil)
	_ fs.NodeSetattrer = (*node)(nil)
	_ fs.NodeAllocater = (*node)(nil)
	_ fs.NodeStatfser  = (*node)(nil)
)

// idOf gives the number that steps know a file or folder by.
func idOf(i fs.InodeEmbedder) uint64 {
	n, ok := i.(*node)
	if !ok {
		return 0
	}
	return n.id
}

func (n *node) child(ctx context.Context, kind, mode uint32) (*node, *fs.Inode) {
	c := &node{disk: n.disk, id: n.disk.newID(), mode: mode & 0o777}
	return c, n.NewPersistentInode(ctx, c, fs.StableAttr{Mode: kind})
}

// Create makes a file.
func (n *node) Create(ctx context.Context, name string, _ uint32, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	c, inode := n.child(ctx, fuse.S_IFREG, mode)
	if name == promisesFile {
		c.id = 0
	} else {
		n.disk.did(step{what: create, node: n.id, name: name, other: c.id})
	}
	out.Mode, out.Nlink = mode, 1
	return inode, nil, 0, 0
}

// Mkdir makes a folder.
func (n *node) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	c, inode := n.child(ctx, fuse.S_IFDIR, mode)
	n.disk.did(step{what: mkdir, node: n.id, name: name, other: c.id})
	out.Mode = mode
	return inode, 0
}

// Unlink removes a file's name.
func (n *node) Unlink(_ context.Context, name string) syscall.Errno {
	n.disk.did(step{what: unlink, node: n.id, name: name})
	return 0
}

// Rmdir removes a folder, which go-fuse has seen to be empty.
func (n *node) Rmdir(_ context.Context, name string) syscall.Errno {
	child := n.GetChild(name)
	if child == nil {
		return syscall.ENOENT
	}
	if len(child.Children()) > 0 {
		return syscall.ENOTEMPTY
	}
	n.disk.did(step{what: unlink, node: n.id, name: name})
	return 0
}

// Rename gives a file another name, in place of the one that has it.
func (n *node) Rename(_ context.Context, name string, to fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	if flags != 0 {
		return syscall.EINVAL
	}
	n.disk.did(step{what: rename, node: n.id, name: name, other: idOf(to), newName: newName})
	return 0
}

// Link gives a file one more name.
func (n *node) Link(_ context.Context, target fs.InodeEmbedder, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	n.disk.did(step{what: create, node: n.id, name: name, other: idOf(target)})
	inode := target.EmbeddedInode()
	out.Mode, out.Nlink = inode.Mode(), 2
	return inode, 0
}

// Open lets the kernel keep what it has read, which mapping into memory needs.
func (n *node) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_KEEP_CACHE, 0
}

func (n *node) Read(_ context.Context, _ fs.FileHandle, into []byte, at int64) (fuse.ReadResult, syscall.Errno) {
	n.mu.Lock()
	defer n.mu.Unlock()
	at = min(at, int64(len(n.data)))
	end := min(at+int64(len(into)), int64(len(n.data)))
	return fuse.ReadResultData(slices.Clone(n.data[at:end])), 0
}

func (n *node) Write(_ context.Context, _ fs.FileHandle, data []byte, at int64) (uint32, syscall.Errno) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.id == 0 {
		n.disk.did(step{what: promise, data: slices.Clone(data)})
		return uint32(len(data)), 0
	}
	n.data = writeAt(n.data, data, at)
	n.disk.did(step{what: write, node: n.id, at: at, data: slices.Clone(data)})
	return uint32(len(data)), 0
}

// Fsync is called for files and folders.
func (n *node) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	n.disk.did(step{what: fsync, node: n.id})
	return 0
}

func (n *node) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	n.mu.Lock()
	defer n.mu.Unlock()
	out.Mode, out.Size, out.Blocks = n.mode, uint64(len(n.data)), uint64(len(n.data)+511)/512
	out.Nlink = 1 // what has none cannot be linked to
	return 0
}

// Setattr changes length and mode; times are not kept.
func (n *node) Setattr(ctx context.Context, f fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	n.mu.Lock()
	if mode, ok := in.GetMode(); ok {
		n.mode = mode & 0o777
	}
	if size, ok := in.GetSize(); ok {
		n.resize(int64(size))
	}
	n.mu.Unlock()
	return n.Getattr(ctx, f, out)
}

// resize cuts or lengthens the file. n.mu is held.
func (n *node) resize(size int64) {
	n.data = truncateTo(n.data, size)
	if n.id != 0 {
		n.disk.did(step{what: truncate, node: n.id, at: size})
	}
}

// Allocate lengthens the file, unless it is to keep its length.
func (n *node) Allocate(_ context.Context, _ fs.FileHandle, from, size uint64, mode uint32) syscall.Errno {
	if mode&unix.FALLOC_FL_KEEP_SIZE != 0 {
		return 0
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if end := int64(from + size); end > int64(len(n.data)) {
		n.resize(end)
	}
	return 0
}

// Statfs says that there is room.
func (n *node) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	out.Bsize, out.Frsize, out.Blocks, out.Bfree, out.Bavail, out.NameLen = 4096, 4096, 1<<24, 1<<24, 1<<24, 255
	return 0
}

func writeAt(to, data []byte, at int64) []byte {
	if end := at + int64(len(data)); end > int64(len(to)) {
		to = truncateTo(to, end)
	}
	copy(to[at:], data)
	return to
}

func truncateTo(data []byte, size int64) []byte {
	if size <= int64(len(data)) {
		return data[:size:size]
	}
	return append(data, make([]byte, size-int64(len(data)))...)
}
