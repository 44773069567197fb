package export

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// maxName is how long the name of a file is at most, which systems bound at 255
// bytes.
const maxName = 120

// fileName makes a name for a file or a folder of any text: letters, digits and
// a few signs stay, all else becomes %XX, so that different texts have different
// names. One that is too long ends in a hash of the whole.
func fileName(s string) string {
	var b strings.Builder
	for i, c := range []byte(s) {
		if isPlain(c) || strings.IndexByte("_-+=,@", c) >= 0 || c == '.' && i > 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return shortened(b.String(), s)
}

func isPlain(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// shortened is name, or if it is too long or empty, as much of it as there is
// room for and a hash of what it stands for.
func shortened(name, of string) string {
	if name != "" && len(name) <= maxName {
		return name
	}
	return name[:min(len(name), maxName-9)] + "-" + hashOf(of)[:8]
}

// hashOf is the SHA-256 of texts, in hex.
func hashOf(texts ...string) string {
	h := sha256.New()
	for _, t := range texts {
		fmt.Fprintf(h, "%d:%s", len(t), t)
	}
	return hex.EncodeToString(h.Sum(nil))
}
