package console

import (
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/internal/english"
)

// dayOfUse is the use of a key on one UTC day.
type dayOfUse struct {
	Date    time.Time
	Label   string // "23 Nov 2026"
	Allowed uint64
	Limited uint64
	Denied  uint64
}

func (d *dayOfUse) total() uint64   { return d.Allowed + d.Limited + d.Denied }
func (d *dayOfUse) Refused() uint64 { return d.Limited + d.Denied }

// usage returns the use on each of the last days, the oldest first, days without
// use included.
func (v *visit) usage(id string, days int) ([]dayOfUse, error) {
	resp, err := ask[adminapi.UsageResponse](v, fmt.Sprintf("%s?days=%d", keyPath(id, "/usage"), days))
	if err != nil {
		return nil, err
	}
	used := make(map[string]adminapi.DayUsage)
	for _, u := range resp.Days {
		used[u.Date] = u
	}
	list := make([]dayOfUse, days)
	today := v.at.UTC().Truncate(day)
	for i := range list {
		at := today.AddDate(0, 0, i-days+1)
		u := used[at.Format(time.DateOnly)]
		list[i] = dayOfUse{at, date(at), u.Allowed, u.Limited, u.Denied}
	}
	return list, nil
}

// sums are the totals of some days.
type sums struct{ Allowed, Limited, Denied, Total uint64 }

func sumOf(days []dayOfUse) (s sums) {
	for i := range days {
		s.Allowed += days[i].Allowed
		s.Limited += days[i].Limited
		s.Denied += days[i].Denied
	}
	s.Total = s.Allowed + s.Limited + s.Denied
	return s
}

// inWords says what a plot of some days shows.
func (s sums) inWords(days int) string {
	if s.Total == 0 {
		return fmt.Sprintf("No use in %s", english.Plural(days, "day"))
	}
	text := fmt.Sprintf("%s in %s", countOf(s.Total, "request"), english.Plural(days, "day"))
	refused := s.Limited + s.Denied
	if refused == 0 {
		return text + ", none refused"
	}
	return fmt.Sprintf("%s, %s of them refused", text, number(refused))
}

func countOf(n uint64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return number(n) + " " + noun + "s"
}

// spark is a small picture of some days, for a row of a list.
type spark struct {
	Words         string
	Width, Height int
	Allowed       template.HTMLAttr // path data
	Refused       template.HTMLAttr
	Empty         bool
}

const (
	sparkHeight = 24
	sparkStep   = 4 // from one day to the next
	sparkBar    = 3
)

func sparkOf(days []dayOfUse) spark {
	s := sumOf(days)
	picture := spark{Words: s.inWords(len(days)), Width: len(days) * sparkStep, Height: sparkHeight, Empty: s.Total == 0}
	most := mostOf(days)
	var allowed, refused strings.Builder
	for i := range days {
		d := &days[i]
		whole := barHeight(d.total(), most, sparkHeight)
		upper := min(whole, barHeight(d.Refused(), most, sparkHeight))
		bar(&allowed, i*sparkStep, sparkHeight-whole+upper, sparkBar, whole-upper)
		bar(&refused, i*sparkStep, sparkHeight-whole, sparkBar, upper)
	}
	picture.Allowed, picture.Refused = pathData(&allowed), pathData(&refused)
	return picture
}

// barHeight scales a count. What there is can be seen.
func barHeight(n, most uint64, height int) int {
	if n == 0 || most == 0 {
		return 0
	}
	return max(1, int(float64(n)/float64(most)*float64(height)+0.5))
}

func mostOf(days []dayOfUse) (most uint64) {
	for i := range days {
		most = max(most, days[i].total())
	}
	return most
}

// bar adds a rectangle to a path.
func bar(path *strings.Builder, x, y, width, height int) {
	if height > 0 {
		fmt.Fprintf(path, "M%d %dh%dv%dh-%dz", x, y, width, height, width)
	}
}

// pathData returns the attribute d of a path, which has only numbers and commands.
func pathData(path *strings.Builder) template.HTMLAttr {
	return template.HTMLAttr(`d="` + path.String() + `"`) //nolint:gosec // written by bar alone
}

// plot is the picture of a key's use. Its numbers and dates are beside it, so that
// they keep their size.
type plot struct {
	Words                    string
	Sums                     sums
	Days                     []dayOfUse // with use, the newest first, for the table
	Allowed, Limited, Denied template.HTMLAttr
	Width, Height, Middle    int
	Scale                    []string // from the top
	Dates                    []string // from the left
	Empty                    bool
}

const (
	plotWidth  = 720
	plotHeight = 160
)

func plotOf(days []dayOfUse) plot {
	s, n := sumOf(days), len(days)
	p := plot{Words: s.inWords(n), Sums: s, Width: plotWidth, Height: plotHeight, Middle: plotHeight / 2, Empty: s.Total == 0}
	top := roundUp(mostOf(days))
	var allowed, limited, denied strings.Builder
	step := plotWidth / n
	for i := range days {
		d, y := &days[i], plotHeight
		for _, part := range []struct {
			path *strings.Builder
			n    uint64
		}{{&allowed, d.Allowed}, {&limited, d.Limited}, {&denied, d.Denied}} {
			height := barHeight(part.n, top, plotHeight)
			y -= height
			bar(part.path, i*step+1, y, step-step/5-1, height)
		}
	}
	p.Width = n * step
	p.Allowed, p.Limited, p.Denied = pathData(&allowed), pathData(&limited), pathData(&denied)
	p.Scale = []string{number(top), number(top / 2), "0"}
	for _, i := range []int{0, n / 2, n - 1} {
		p.Dates = append(p.Dates, days[i].Date.Format("2 Jan"))
	}
	for i := range days {
		if d := days[n-1-i]; d.total() > 0 {
			p.Days = append(p.Days, d)
		}
	}
	return p
}

// roundUp returns the next even number that reads well: 1, 2, 4, 6 or 8 and zeros.
func roundUp(n uint64) uint64 {
	if n <= 2 {
		return 2
	}
	for unit := uint64(1); ; unit *= 10 {
		for _, digit := range []uint64{4, 6, 8, 10, 20} {
			if digit*unit >= n {
				return digit * unit
			}
		}
	}
}
