package command

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/socialpatra/keygate/access/lint"
	"github.com/socialpatra/keygate/command/term"
	"github.com/socialpatra/keygate/internal/english"
)

// report is what lint has to say.
type report struct {
	findings []lint.Finding
	nothing  error  // of a gateway that maps nothing, and would not start
	block    string // of lines for keygate; ""
}

// printReport writes the findings, then the block, and returns what is wrong as a
// whole.
func (c *cli) printReport(r report) error {
	if c.json {
		if err := c.PrintJSON(struct {
			Findings []lint.Finding `json:"findings"`
			Block    string         `json:"block,omitempty"`
		}{append([]lint.Finding{}, r.findings...), r.block}); err != nil {
			return err
		}
	} else if err := c.printFindings(r); err != nil {
		return err
	}
	switch {
	case r.nothing != nil:
		return r.nothing
	case len(r.findings) > 0:
		return fmt.Errorf("found %s: %s", english.Plural(len(r.findings), "thing"), byCode(r.findings))
	}
	return nil
}

// printFindings writes lines as compilers do, which editors can follow. Where
// nothing is mapped they are by reason, each after a comment with their number.
func (c *cli) printFindings(r report) error {
	if r.nothing != nil {
		slices.SortStableFunc(r.findings, func(a, b lint.Finding) int {
			return slices.Index(lint.Codes(), a.Code) - slices.Index(lint.Codes(), b.Code)
		})
	}
	for i, f := range r.findings {
		if r.nothing != nil && (i == 0 || r.findings[i-1].Code != f.Code) {
			same := slices.DeleteFunc(slices.Clone(r.findings), func(other lint.Finding) bool { return other.Code != f.Code })
			if err := c.Say("# %s", byCode(same)); err != nil {
				return err
			}
		}
		where := ""
		if f.Where != "" {
			where = f.Where + ": "
		}
		if err := c.Say("%s%s: %s", where, f.Code, f.Problem); err != nil {
			return err
		}
	}
	if r.block == "" {
		return nil
	}
	block := "# In keygate { … }:\n" + r.block
	if len(r.findings) > 0 {
		block = "\n" + block
	}
	for line := range strings.Lines(block) {
		if err := c.printLine(strings.TrimSuffix(line, "\n")); err != nil {
			return err
		}
	}
	return nil
}

// printLine writes a line of a config, whose indent is of tabs.
func (c *cli) printLine(line string) error {
	text := strings.TrimLeft(line, "\t")
	_, err := fmt.Fprintln(c.Out, line[:len(line)-len(text)]+term.Visible(text))
	return err
}

// byCode counts findings: "2 no_security, 1 unmappable".
func byCode(findings []lint.Finding) string {
	counts := make(map[lint.Code]int)
	var codes []lint.Code
	for _, f := range findings {
		if counts[f.Code]++; counts[f.Code] == 1 {
			codes = append(codes, f.Code)
		}
	}
	var parts []string
	for _, code := range codes {
		parts = append(parts, strconv.Itoa(counts[code])+" "+string(code))
	}
	return strings.Join(parts, ", ")
}
