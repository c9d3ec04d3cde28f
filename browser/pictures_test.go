package browser

import (
	"bytes"
	"cmp"
	"flag"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

var keepPictures = flag.String("pictures", "", "folder in which the pictures of the console are kept, as console-NAME.png")

// largestPicture is how many bytes a picture in docs/ may have.
const largestPicture = 200 << 10

// pictures are taken of these pages, of a world without awkward names.
var pictures = []struct {
	name, page string
	look       look
}{
	{"today", "/", look{desktop, "en", "light", false}},
	{"ahead", "/console/ahead", look{desktop, "en", "light", false}},
	{"expiring", "/console/ahead/expiring", look{desktop, "ja", "light", true}},
	{"relationships", "/console/relationships", look{desktop, "en", "dark", true}},
	{"relationship", "/console/relationships/{relationship}", look{desktop, "en", "light", false}},
	{"sweep", "/console/sweeps/{sweep}", look{desktop, "en", "light", false}},
	{"sweeps", "/console/sweeps", look{desktop, "ja", "dark", true}},
	{"notice", "/console/notices/{notice}", look{desktop, "en", "light", false}},
	{"analytics", "/console/analytics", look{desktop, "en", "light", false}},
	{"queue", "/console/queue", look{desktop, "en", "light", false}},
	{"phone", "/", look{phone, "ja", "dark", true}},
}

// The pictures in docs/ can be made, and are small.
func TestPictures(t *testing.T) {
	if testing.Short() {
		t.Skip("that is for the docs; no fault of a page shows here alone")
	}
	dir := *keepPictures
	if dir == "" {
		dir = t.TempDir()
	}
	for _, p := range pictures {
		d, tb := deploy(t, shownRecords), open(t)
		tb.login(d.site)
		path, ok := d.path(p.page, 2)
		require.True(t, ok, p.page)
		small, err := shrink(tb.visit(d.site, p.look, visit{path: path, shot: true}).picture)
		require.NoError(t, err)
		require.Less(t, len(small), largestPicture, p.name)
		file := filepath.Join(dir, "console-"+p.name+".png")
		require.NoError(t, os.WriteFile(file, small, 0o644))
		t.Logf("made %s, %d KiB", file, len(small)>>10)
	}
}

// shrink writes a PNG with the 256 colours that it has most of. Pages are flat: what is lost are shades at the edges of letters.
func shrink(picture []byte) ([]byte, error) {
	full, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		return nil, err
	}
	size := full.Bounds()
	count := map[color.NRGBA]int{}
	at := func(x, y int) color.NRGBA { return color.NRGBAModel.Convert(full.At(x, y)).(color.NRGBA) }
	for y := size.Min.Y; y < size.Max.Y; y++ {
		for x := size.Min.X; x < size.Max.X; x++ {
			count[at(x, y)]++
		}
	}
	colours := slices.SortedFunc(maps.Keys(count), func(a, b color.NRGBA) int {
		return cmp.Or(count[b]-count[a], cmp.Compare(a.R, b.R), cmp.Compare(a.G, b.G), cmp.Compare(a.B, b.B), cmp.Compare(a.A, b.A))
	})
	var palette color.Palette
	for _, c := range colours[:min(len(colours), 256)] {
		palette = append(palette, c)
	}
	index := map[color.NRGBA]uint8{}
	for _, c := range colours {
		index[c] = uint8(palette.Index(c))
	}
	small := image.NewPaletted(size, palette)
	for y := size.Min.Y; y < size.Max.Y; y++ {
		for x := size.Min.X; x < size.Max.X; x++ {
			small.SetColorIndex(x, y, index[at(x, y)])
		}
	}
	var out bytes.Buffer
	err = (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, small)
	return out.Bytes(), err
}

func TestAShrunkPictureIsSmallerAndLooksTheSame(t *testing.T) {
	s := sample{}.serve(t)
	full := open(t).visit(s, look{view: desktop, language: "ja", theme: "dark"}, visit{path: "/console/sign-in", shot: true}).picture
	small, err := shrink(full)
	require.NoError(t, err)
	require.Less(t, len(small), len(full))
	before, err := png.Decode(bytes.NewReader(full))
	require.NoError(t, err)
	after, err := png.Decode(bytes.NewReader(small))
	require.NoError(t, err)
	require.Equal(t, before.Bounds(), after.Bounds())
	require.Equal(t, image.Rect(0, 0, int(desktop.width), int(desktop.height)), after.Bounds())
	for y := 0; y < after.Bounds().Dy(); y += 3 {
		for x := 0; x < after.Bounds().Dx(); x += 3 {
			r, g, b, _ := before.At(x, y).RGBA()
			r2, g2, b2, _ := after.At(x, y).RGBA()
			far := max(r, r2) - min(r, r2) + max(g, g2) - min(g, g2) + max(b, b2) - min(b, b2)
			require.LessOrEqual(t, far>>8, uint32(24), "at %d, %d", x, y)
		}
	}
}
