package console

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"path"
)

//go:embed assets/*
var assetFiles embed.FS

// assetHashes are of the contents, and part of the path: a browser may keep an asset for ever, and asks for it anew when it changes.
var assetHashes = hashAssets()

func hashAssets() map[string]string {
	hashes := map[string]string{}
	files, err := fs.Glob(assetFiles, "assets/*")
	if err != nil {
		panic(err) // the pattern stands in the line above
	}
	for _, file := range files {
		content, err := assetFiles.ReadFile(file)
		if err != nil {
			panic(err) // it is in the program
		}
		sum := sha256.Sum256(content)
		hashes[path.Base(file)] = hex.EncodeToString(sum[:6])
	}
	return hashes
}

const assetsPath = "/console/assets/"

// assetPath is where a page finds an asset.
func assetPath(name string) string { return assetsPath + assetHashes[name] + "/" + name }

// addAssets serves them to everybody: there is nothing in them but looks.
func (c *Console) addAssets() {
	c.mux.HandleFunc("GET "+assetsPath+"{hash}/{name}", c.handle(func(v *visit) error {
		name := v.Request.PathValue("name")
		content, err := assetFiles.ReadFile("assets/" + path.Base(name))
		if err != nil || v.Request.PathValue("hash") != assetHashes[name] {
			return v.notFound()
		}
		h := v.w.Header()
		h.Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		_, err = v.w.Write(content) //nolint:gosec // it is in the program
		return err
	}))
}
