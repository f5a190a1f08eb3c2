package read

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nrd/capture"
)

// file is a photograph or a video to be read.
type file struct {
	path       string
	photograph bool
}

// The names of files that a folder is searched for.
var (
	photographs = []string{".jpg", ".jpeg", ".png"}
	videos      = []string{".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".ts"}
)

// list finds the files that the paths stand for, in the order given and folders
// in that of their names. It counts the paths that are nothing to read, after
// telling complain.
func list(paths []string, complain func(error)) (files []file, failed int) {
	for _, path := range paths {
		found, err := walk(path)
		if err != nil {
			failed++
			complain(err)
		}
		files = append(files, found...)
	}
	return files, failed
}

func walk(path string) ([]file, error) {
	if capture.IsLive(path) {
		return nil, fmt.Errorf("%s is a camera: read takes photographs, folders and videos", path)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []file{{path: path, photograph: has(photographs, path)}}, nil
	}
	var files []file
	err = filepath.WalkDir(path, func(p string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
		case has(photographs, p):
			files = append(files, file{path: p, photograph: true})
		case has(videos, p):
			files = append(files, file{path: p})
		}
		return nil
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("folder %s holds no photograph and no video", path)
	}
	return files, err
}

func has(endings []string, path string) bool {
	return slices.Contains(endings, strings.ToLower(filepath.Ext(path)))
}
