package apikey

import (
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// defaultIgnorable is Default_Ignorable_Code_Point as the standard lists it
// (DerivedCoreProperties.txt), which has not grown since Unicode 14.
var defaultIgnorable = [][2]rune{
	{0xad, 0xad},
	{0x34f, 0x34f},
	{0x61c, 0x61c},
	{0x115f, 0x1160},
	{0x17b4, 0x17b5},
	{0x180b, 0x180f},
	{0x200b, 0x200f},
	{0x202a, 0x202e},
	{0x2060, 0x206f},
	{0x3164, 0x3164},
	{0xfe00, 0xfe0f},
	{0xfeff, 0xfeff},
	{0xffa0, 0xffa0},
	{0xfff0, 0xfff8},
	{0x1bca0, 0x1bca3},
	{0x1d173, 0x1d17a},
	{0xe0000, 0xe0fff},
}

// seen reports whether a character shows, and looks like no other does only
// because it does not.
func seen(r rune) bool {
	for _, hidden := range defaultIgnorable {
		if r >= hidden[0] && r <= hidden[1] {
			return false
		}
	}
	switch {
	case r&0xfffe == 0xfffe, r >= 0xfdd0 && r <= 0xfdef: // noncharacters
		return false
	case r == 0x2800, r == 0x13441, r == 0x13442, r == 0x16fe4, r == 0x1d159, r == 0xfffc: // blank, but of no property
		return false
	case r == ' ':
		return true
	}
	return !unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp, unicode.Zs)
}

// Every character of Unicode is accepted, alone or between two letters, or
// refused, by its properties.
func TestTextOfEveryCharacter(t *testing.T) {
	wrong := 0
	for r := rune(0); r <= unicode.MaxRune && wrong < 20; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		err := checkText("name", "a"+string(r)+"b", 1, MaxNameLen)
		if want := seen(r); (err == nil) != want {
			wrong++
			t.Errorf("%U is accepted: %v (%v)", r, !want, err)
		}
		if alone := checkText("name", string(r), 1, MaxNameLen); (alone == nil) != (seen(r) && r != ' ') {
			wrong++
			t.Errorf("%U alone is accepted: %t (%v)", r, alone == nil, alone)
		}
		if err != nil && (!strings.HasPrefix(err.Error(), "name: has ") || !strings.Contains(err.Error(), fmt.Sprintf("%U at position 2; accepted: ", r))) {
			wrong++
			t.Errorf("%U: the error is %v", r, err)
		}
	}
}

// What people write is accepted, also where it needs a character that shows
// nothing by itself.
func TestTextAccepts(t *testing.T) {
	for _, text := range []string{
		"Zapier - product launches", "Müller & Söhne <3", "O\u2019Neill", "a", "名前", "Ключ", "キー・テスト", "חשבון", "e\u0301",
		"❤\ufe0f", "❤\ufe0f\u200d🔥", "👩\u200d💻", "👩🏽\u200d💻", "👨\u200d👩\u200d👧\u200d👦", "🏳\ufe0f\u200d🌈", "🏴\u200d☠\ufe0f", "🐈\u200d⬛",
		"👁\ufe0f\u200d🗨\ufe0f", "🙂\u200d↔\ufe0f", "🏃🏽\u200d♀\ufe0f\u200d➡\ufe0f", "🧑🏻\u200d🤝\u200d🧑🏿", "1\ufe0f\u20e3", "#\ufe0f\u20e3", "⚡\ufe0f key", "☎\ufe0e", "©\ufe0f 2026", "ℹ\ufe0f", "‼\ufe0f", "🇩🇪", "👍🏽",
		"می\u200cخواهم", "خانه\u200cها", // Persian, with a non-joiner where letters would join
		"क्\u200dष", "क्\u200cष", "ന്\u200d", "র\u200d্যাব", "ක්\u200dෂ", "ක\u200d්\u200dය",
	} {
		k := validKey()
		k.Name, k.Description = text, text
		if err := k.Normalize(); err != nil {
			t.Errorf("%+q: %v", text, err)
		}
	}
	k := validKey()
	k.Description = ""
	if err := k.Normalize(); err != nil {
		t.Error(err)
	}
}

// A joiner or selector that changes nothing that is seen is refused, and so is
// space that is not one U+0020 between two others.
func TestTextRefuses(t *testing.T) {
	for _, text := range []string{
		"a\u200db", "a\u200cb", "\u200d", "\u200c", "a\u200d", "\u200da", "1\u200d2", "a \u200d b", "é\u200cé", "名\u200d前",
		"👩\u200d", "\u200d👩", "👩\u200da", "a\u200d👩", "👩\u200d\u200d💻", "👩\u200c💻", "👩\ufe0f\ufe0f", "👩 \u200d💻",
		"a\ufe0f", "\ufe0f", "1\ufe0f", "1\ufe0f2", "1\ufe0e\u20e3", " \ufe0f", "名\ufe00", "名\U000e0100", "│\ufe0e", "°\ufe0f",
		"کار\u200cها", "می\u200c", "\u200cمی", "می\u200c\u200cخواهم", "می\u200dخواهم", // letters that do not join anyway
		"क्\u200d\u200dष", "क\u200cष", "1\u200d\u094d", "\u200d\u094d", "क\u200dष", "क\u200d", "्\u200d\u200c",
		"🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "a\U000e0041", "a\u2062b",
		" a", "a ", "a  b", "a   b", " ", "  ", "a\u00a0b", "a\u3000b", "a\u2003b", "a\u202fb", "\u00a0a", "a\u00a0", "a\u2800b",
	} {
		for _, field := range []string{"name", "description"} {
			k := validKey()
			if field == "name" {
				k.Name = text
			} else {
				k.Description = text
			}
			if err := k.Normalize(); err == nil || !strings.HasPrefix(err.Error(), field+": ") {
				t.Errorf("%s %+q: %v", field, text, err)
			}
		}
	}
}

// NormalizeChange lets an old text stay, and no other.
func TestNormalizeChange(t *testing.T) {
	old := validKey()
	old.Name, old.Description = "a\u200bb", " b  c "
	k := old
	if err := k.NormalizeChange(&old); err != nil {
		t.Error(err)
	}
	k.Scopes = []string{"posts:read"}
	if err := k.NormalizeChange(&old); err != nil {
		t.Error(err)
	}
	k.Name = "fine"
	if err := k.NormalizeChange(&old); err != nil {
		t.Error(err)
	}
	for _, set := range []func(){
		func() { k.Name = "a\u200bc" },
		func() { k.Name, k.Description = "fine", "a\u200bb" },
		func() { k.Description, k.Scopes = old.Description, nil },
	} {
		set()
		if err := k.NormalizeChange(&old); err == nil {
			t.Errorf("%+v is accepted", k)
		}
	}
}
