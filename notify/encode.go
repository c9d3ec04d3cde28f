package notify

import (
	"encoding/base64"
	"net/mail"
	"strings"
	"unicode/utf8"
)

// How headers and bodies are written such that every mail server passes them on: in ASCII, on short lines. The library's own
// encoders are right but take as long as all the rest of writing a mail.

const longestLine = 76 // of a body and of a header: RFC 2045 and 2047

// appendHeader writes a header, folded at its spaces.
func appendHeader(m []byte, name, value string) []byte {
	m = append(append(m, name...), ':')
	at := len(name) + 1
	for word := range strings.SplitSeq(value, " ") {
		if at+1+len(word) > longestLine && at > len(name)+1 {
			m = append(m, "\r\n"...)
			at = 0
		}
		m = append(append(m, ' '), word...)
		at += 1 + len(word)
	}
	return append(m, "\r\n"...)
}

// encodedWords is a text as it stands in a header: as it is, or as encoded words in the shorter one of their two forms. The
// library's encoder fills a line without counting the header's name, and writes more letters plainly than a name may have.
func encodedWords(s string) string {
	if isASCII(s) {
		return s
	}
	const longestWord = 62 // with a header's name before it
	form, encode := "Q", appendQ
	if base64IsShorter(s) {
		form, encode = "B", base64.StdEncoding.AppendEncode
	}
	var words, word []byte
	for s != "" {
		n := 0
		for n < len(s) {
			_, size := utf8.DecodeRuneInString(s[n:])
			if word = encode(word[:0], []byte(s[:n+size])); len(word) > longestWord-len("=?UTF-8?Q??=") && n > 0 {
				break
			}
			n += size
		}
		word = encode(word[:0], []byte(s[:n]))
		words = append(append(append(words, " =?UTF-8?"+form+"?"...), word...), "?="...)
		s = s[n:]
	}
	return string(words[1:])
}

// appendQ is the quoted form of an encoded word, with the letters only that may stand in a name. Source: RFC 2047, section 5.
func appendQ(m, s []byte) []byte {
	for _, c := range s {
		switch {
		case c == ' ':
			m = append(m, '_')
		case c >= '0' && c <= '9', c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z':
			m = append(m, c)
		default:
			m = append(m, '=', digits[c>>4], digits[c&15])
		}
	}
	return m
}

const digits = "0123456789ABCDEF"

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// address is a mail address as it stands in a header.
func address(a mail.Address) string {
	if isASCII(a.Name) {
		return a.String()
	}
	return encodedWords(a.Name) + " <" + a.Address + ">"
}

// base64IsShorter says whether quoted-printable, which people can read in the raw file, would take more room than base64, as
// it does with Japanese. Quoted-printable writes 3 characters for an escaped byte and 1 for any other, base64 4 for 3 bytes.
func base64IsShorter(s string) bool {
	escaped := 0
	for i := range len(s) {
		if s[i] >= 0x80 {
			escaped++
		}
	}
	return len(s)+2*escaped > len(s)*4/3
}

// appendBase64 writes lines of base64. The text's own lines end in CRLF inside, as RFC 2045 wants them.
func appendBase64(m []byte, s string) []byte {
	const bytesOnLine = longestLine / 4 * 3
	text := []byte(strings.ReplaceAll(s, "\n", "\r\n"))
	for len(text) > 0 {
		n := min(bytesOnLine, len(text))
		m = base64.StdEncoding.AppendEncode(m, text[:n])
		m = append(m, "\r\n"...)
		text = text[n:]
	}
	return m
}

// isPlain marks the bytes that quoted-printable leaves as they are, wherever they stand. A space is one, except before the end of
// a line.
var isPlain = func() (plain [256]bool) {
	for c := '!'; c <= '~'; c++ {
		plain[c] = c != '='
	}
	return plain
}()

// appendQuotedPrintable writes a text whose lines end in LF.
func appendQuotedPrintable(m []byte, s string) []byte {
	for line := range strings.Lines(s) {
		body := strings.TrimSuffix(line, "\n")
		m = appendQuotedLine(m, body)
		if len(body) < len(line) {
			m = append(m, "\r\n"...)
		}
	}
	return m
}

// appendQuotedLine writes a line as one or more, none of which is longer than it may be.
func appendQuotedLine(m []byte, line string) []byte {
	at := 0
	for i := 0; i < len(line); {
		run := i
		for run < len(line) && (isPlain[line[run]] || line[run] == ' ' && run+1 < len(line)) {
			run++
		}
		for i < run {
			n := min(run-i, longestLine-1-at) // the last column is the sign's of a soft break
			m = append(m, line[i:i+n]...)
			i, at = i+n, at+n
			if i < run {
				m, at = append(m, "=\r\n"...), 0
			}
		}
		if i == len(line) {
			break
		}
		if at+3 > longestLine-1 {
			m, at = append(m, "=\r\n"...), 0
		}
		m = append(m, '=', digits[line[i]>>4], digits[line[i]&15])
		i, at = i+1, at+3
	}
	return m
}
