package term

import (
	"testing"
)

func TestImportBarText(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{readingText(0, 543_549_129, 80), "Checking   0 %  [----------------------------------------]  0.0 MB of 543.5 MB"},
		{readingText(271_774_564, 543_549_129, 80), "Checking  49 %  [###################--------------------]  271.8 MB of 543.5 MB"},
		{readingText(543_549_129, 543_549_129, 80), "Checking 100 %  [#######################################]  543.5 MB of 543.5 MB"},
		{readingText(600_000_000, 543_549_129, 60), "Checking 100 %  [###################]  600.0 MB of 543.5 MB"},
		{readingText(271_774_564, 543_549_129, 42), "Checking  49 %  271.8 MB of 543.5 MB"},
		{readingText(271_774_564, 543_549_129, 20), "Checking  49 %  27…"},
		{readingText(271_774_564, 0, 80), "Checking  271.8 MB"},
		{storingText(400_000, 1_000_000, 80), "Storing   40 %  [##############-----------------------]  400000 of 1000000 keys"},
		{storingText(1_000_000, 1_000_000, 80), "Storing  100 %  [########################################]  writing to disk"},
		{storingText(0, 1, 300), "Storing    0 %  [----------------------------------------]  0 of 1 key"},
	} {
		if tt.got != tt.want {
			t.Errorf("\ngot  %q\nwant %q", tt.got, tt.want)
		}
	}
	for width := range 200 {
		for _, text := range []string{readingText(1<<29, 1<<30, width), readingText(1<<29, 0, width), storingText(1, 2, width)} {
			if DisplayWidth(text) > max(width-1, 1) {
				t.Errorf("%q is wider than %d", text, width-1)
			}
		}
	}
}
