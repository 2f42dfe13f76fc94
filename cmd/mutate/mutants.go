package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"math/big"
	"slices"
	"strings"
)

// mutant is one fault: a part of a file, and the text that replaces it.
type mutant struct {
	file       *file
	at         token.Position
	start, end int // byte offsets in the text
	with       string
	fault      string // describes the fault for readers
}

func (m *mutant) String() string {
	return fmt.Sprintf("%s:%d:%d: %s: %s", m.file.short, m.at.Line, m.at.Column, m.fault, strings.TrimSpace(m.line()))
}

// sign is String without the position.
func (m *mutant) sign() string {
	return m.file.short + ": " + m.fault + ": " + strings.TrimSpace(m.line())
}

// line is the source line in which the fault begins.
func (m *mutant) line() string {
	from := bytes.LastIndexByte(m.file.text[:m.start], '\n') + 1
	line, _, _ := bytes.Cut(m.file.text[from:], []byte("\n"))
	return string(line)
}

// offset converts a position to a byte offset in the file.
func (m *mutant) offset(pos token.Pos) int { return int(pos - m.file.ast.FileStart) }

// text is the whole file with the fault.
func (m *mutant) text() []byte {
	return slices.Concat(m.file.text[:m.start], []byte(m.with), m.file.text[m.end:])
}

// mutants returns the mutants of the package in source order. Some are not valid
// programs.
func (p *pkg) mutants() []mutant {
	var all []mutant
	for _, f := range p.files {
		v := &visitor{p: p, f: f}
		for _, d := range f.ast.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Body != nil {
					v.results(d.Type)
					ast.Inspect(d.Body, v.visit)
					v.pop()
				}
			case *ast.GenDecl:
				ast.Inspect(d, v.visit)
			}
		}
		slices.SortStableFunc(v.found, func(x, y mutant) int { return x.start - y.start })
		all = append(all, v.found...)
	}
	return all
}

// visitor collects the faults of a file.
type visitor struct {
	p     *pkg
	f     *file
	found []mutant

	// returns has the result types of the functions being visited, and nodes has
	// the nodes from the root to the current one. Leaving the node of a function
	// drops its results.
	returns [][]string
	nodes   []ast.Node
}

func (v *visitor) offset(pos token.Pos) int { return v.p.fset.Position(pos).Offset }

func (v *visitor) source(n ast.Node) string {
	return string(v.f.text[v.offset(n.Pos()):v.offset(n.End())])
}

func (v *visitor) replace(from, to token.Pos, with, fault string) {
	at := v.p.fset.Position(from)
	if v.f.lines != nil && !v.f.lines[at.Line] {
		return
	}
	v.found = append(v.found, mutant{file: v.f, at: at, start: v.offset(from), end: v.offset(to), with: with, fault: fault})
}

// results records what a function returns.
func (v *visitor) results(t *ast.FuncType) {
	var all []string
	if t.Results != nil {
		for _, field := range t.Results.List {
			for range max(1, len(field.Names)) {
				all = append(all, v.source(field.Type))
			}
		}
	}
	v.returns = append(v.returns, all)
}

func (v *visitor) pop() { v.returns = v.returns[:len(v.returns)-1] }

func (v *visitor) visit(n ast.Node) bool {
	if n == nil {
		last := v.nodes[len(v.nodes)-1]
		v.nodes = v.nodes[:len(v.nodes)-1]
		if _, ok := last.(*ast.FuncLit); ok {
			v.pop()
		}
		return true
	}
	switch n := n.(type) {
	case *ast.ImportSpec, *ast.TypeSpec:
		return false
	case *ast.FuncLit:
		v.results(n.Type)
	case *ast.IfStmt:
		v.condition(n.Cond)
	case *ast.ForStmt:
		if n.Cond != nil {
			v.replace(n.Cond.Pos(), n.Cond.End(), "false", "the loop never runs")
		}
	case *ast.RangeStmt:
		v.replace(n.Body.Lbrace+1, n.Body.Lbrace+1, " break;", "the loop ends at once")
	case *ast.CaseClause:
		v.clause(n)
	case *ast.BlockStmt:
		v.statements(n.List)
	case *ast.BinaryExpr:
		v.binary(n)
	case *ast.UnaryExpr:
		v.unary(n)
	case *ast.IncDecStmt:
		other := map[token.Token]string{token.INC: "--", token.DEC: "++"}[n.Tok]
		v.replace(n.TokPos, n.TokPos+2, other, n.Tok.String()+" becomes "+other)
	case *ast.AssignStmt:
		if other := swapped[n.Tok]; other != "" {
			v.replace(n.TokPos, n.TokPos+token.Pos(len(n.Tok.String())), other, n.Tok.String()+" becomes "+other)
		}
	case *ast.CallExpr:
		v.call(n)
	case *ast.ReturnStmt:
		v.returned(n)
	case *ast.BranchStmt:
		v.branch(n)
	case *ast.BasicLit:
		v.literal(n)
	}
	v.nodes = append(v.nodes, n)
	return true
}

// condition makes the condition of an if always or never hold.
func (v *visitor) condition(cond ast.Expr) {
	v.turnRound(cond)
	v.replace(cond.Pos(), cond.End(), "true || "+v.wrapped(cond), "the condition always holds")
	v.replace(cond.Pos(), cond.End(), "false && "+v.wrapped(cond), "the condition never holds")
}

// turnRound negates a condition. It skips comparisons and unary operators, which
// have mutants of their own.
func (v *visitor) turnRound(e ast.Expr) {
	switch e := e.(type) {
	case *ast.BinaryExpr:
		if turned[e.Op] != "" || e.Op == token.EQL || e.Op == token.NEQ {
			return
		}
	case *ast.UnaryExpr:
		return
	}
	v.replace(e.Pos(), e.End(), "!("+v.source(e)+")", "the condition is turned round")
}

// wrapped keeps the variables of the condition in use, so that the mutant
// compiles.
func (v *visitor) wrapped(e ast.Expr) string { return "(" + v.source(e) + ")" }

// clause removes the body of a case.
func (v *visitor) clause(c *ast.CaseClause) {
	if len(c.Body) > 0 {
		first, last := c.Body[0], c.Body[len(c.Body)-1]
		v.replace(first.Pos(), last.End(), "", "the case does nothing")
	}
	v.statements(c.Body)
	if len(c.List) == 1 {
		e := c.List[0]
		if tv := v.p.info.Types[e]; isBool(tv.Type) && tv.Value == nil {
			v.turnRound(e)
			v.replace(e.Pos(), e.End(), "false && "+v.wrapped(e), "the condition never holds")
		}
	}
}

// statements removes one statement at a time.
func (v *visitor) statements(list []ast.Stmt) {
	for _, s := range list {
		switch s := s.(type) {
		case *ast.ExprStmt:
			if c, ok := s.X.(*ast.CallExpr); ok && v.source(c.Fun) == "panic" {
				continue
			}
		case *ast.AssignStmt:
			if s.Tok == token.DEFINE {
				continue
			}
		case *ast.IncDecStmt, *ast.SendStmt, *ast.GoStmt, *ast.DeferStmt:
		default:
			continue
		}
		v.replace(s.Pos(), s.End(), "", "the statement is left out")
	}
}

// swapped maps an operator that computes a value to another one.
var swapped = map[token.Token]string{
	token.ADD: "-", token.SUB: "+", token.MUL: "/", token.QUO: "*", token.REM: "*",
	token.SHL: ">>", token.SHR: "<<", token.AND: "|", token.OR: "&", token.XOR: "&", token.AND_NOT: "&",
	token.ADD_ASSIGN: "-=", token.SUB_ASSIGN: "+=", token.MUL_ASSIGN: "/=", token.QUO_ASSIGN: "*=", token.REM_ASSIGN: "*=",
	token.SHL_ASSIGN: ">>=", token.SHR_ASSIGN: "<<=", token.AND_ASSIGN: "|=", token.OR_ASSIGN: "&=", token.XOR_ASSIGN: "&=", token.AND_NOT_ASSIGN: "&=",
	token.EQL: "!=", token.NEQ: "==", token.LAND: "||", token.LOR: "&&",
}

// bound maps a comparison to the one that differs only for equal values.
var bound = map[token.Token]string{token.LSS: "<=", token.LEQ: "<", token.GTR: ">=", token.GEQ: ">"}

// turned maps a comparison to its opposite.
var turned = map[token.Token]string{token.LSS: ">=", token.LEQ: ">", token.GTR: "<=", token.GEQ: "<"}

func (v *visitor) binary(e *ast.BinaryExpr) {
	operator := func(other string) {
		if other != "" {
			v.replace(e.OpPos, e.OpPos+token.Pos(len(e.Op.String())), other, e.Op.String()+" becomes "+other)
		}
	}
	operator(swapped[e.Op])
	operator(bound[e.Op])
	operator(turned[e.Op])
	if e.Op == token.LAND || e.Op == token.LOR {
		// One side alone decides.
		constant := map[token.Token]string{token.LAND: "true || ", token.LOR: "false && "}[e.Op]
		for side, operand := range map[string]ast.Expr{"left": e.X, "right": e.Y} {
			v.replace(operand.Pos(), operand.End(), "("+constant+v.wrapped(operand)+")", "the "+side+" side of "+e.Op.String()+" does not matter")
		}
	}
}

func (v *visitor) unary(e *ast.UnaryExpr) {
	switch e.Op {
	case token.NOT, token.SUB, token.XOR:
		v.replace(e.OpPos, e.OpPos+1, "", e.Op.String()+" is left out")
	default:
	}
}

// call swaps min and max.
func (v *visitor) call(c *ast.CallExpr) {
	other := map[string]string{"min": "max", "max": "min"}
	if name, ok := c.Fun.(*ast.Ident); ok && other[name.Name] != "" && len(c.Args) > 1 {
		v.replace(name.Pos(), name.End(), other[name.Name], name.Name+" becomes "+other[name.Name])
	}
}

// returned returns zero values instead. For a bool it also returns the opposite.
func (v *visitor) returned(r *ast.ReturnStmt) {
	kinds := v.returns[len(v.returns)-1]
	if len(r.Results) == 0 || len(kinds) == 0 {
		return
	}
	for _, e := range r.Results {
		tv := v.p.info.Types[e]
		if isBool(tv.Type) {
			v.replace(e.Pos(), e.End(), "!("+v.source(e)+")", "returns the opposite")
		}
	}
	zeros := make([]string, len(kinds))
	already := true
	for i, kind := range kinds {
		zeros[i] = "*new(" + kind + ")"
		already = already && i < len(r.Results) && v.isZero(r.Results[i])
	}
	if !already && (len(kinds) > 1 || !isBool(v.p.info.Types[r.Results[0]].Type)) {
		v.replace(r.Results[0].Pos(), r.Results[len(r.Results)-1].End(), strings.Join(zeros, ", "), "returns nothing")
	}
	// Only the error is lost.
	if n := len(r.Results); n > 1 && n == len(kinds) && kinds[n-1] == "error" && !v.isZero(r.Results[n-1]) {
		v.replace(r.Results[n-1].Pos(), r.Results[n-1].End(), "nil", "the error is lost")
	}
}

func isBool(t types.Type) bool {
	if t == nil {
		return false
	}
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Info()&types.IsBoolean != 0
}

// isZero reports whether an expression is written as a zero value.
func (v *visitor) isZero(e ast.Expr) bool {
	tv := v.p.info.Types[e]
	if tv.IsNil() {
		return true
	}
	if tv.Value != nil {
		switch tv.Value.Kind() {
		case constant.Bool:
			return !constant.BoolVal(tv.Value)
		case constant.String:
			return constant.StringVal(tv.Value) == ""
		default:
			return constant.Sign(tv.Value) == 0
		}
	}
	c, ok := e.(*ast.CompositeLit)
	return ok && len(c.Elts) == 0
}

func (v *visitor) branch(b *ast.BranchStmt) {
	other := map[token.Token]string{token.BREAK: "continue", token.CONTINUE: "break"}[b.Tok]
	if other != "" && b.Label == nil {
		v.replace(b.Pos(), b.End(), other, b.Tok.String()+" becomes "+other)
	}
}

// literal increases a number by one.
func (v *visitor) literal(l *ast.BasicLit) {
	switch l.Kind {
	case token.INT:
		n, ok := new(big.Int).SetString(l.Value, 0)
		if !ok {
			return
		}
		more := n.Add(n, big.NewInt(1)).String()
		v.replace(l.Pos(), l.End(), more, l.Value+" becomes "+more)
	case token.FLOAT:
		v.replace(l.Pos(), l.End(), "("+l.Value+"*1.5)", l.Value+" becomes half as much again")
	default:
	}
}
