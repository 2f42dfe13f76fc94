package openapi_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/access/openapi"
)

// largeDocument has n operations, with parameters, bodies, answers and schemas
// as real documents have.
func largeDocument(n int) string {
	var b strings.Builder
	b.WriteString(`openapi: 3.1.0
info: {title: Large, version: "1"}
servers:
  - url: https://api.example.com/v1
security:
  - key: [posts:read]
paths:
`)
	for i := range n / 2 {
		fmt.Fprintf(&b, `  /resource%[1]d/{id}:
    parameters:
      - {name: id, in: path, required: true, schema: {type: string}}
    get:
      operationId: getResource%[1]d
      summary: Returns a resource
      tags: [resources]
      parameters:
        - name: limit
          in: query
          description: How many of them, at most
          schema: {type: integer, minimum: 1, maximum: 100, default: 20}
      responses:
        "200":
          description: The resource
          content:
            application/json:
              schema: {$ref: "#/components/schemas/Resource%[1]d"}
        "404": {$ref: "#/components/responses/NotFound"}
    put:
      operationId: putResource%[1]d
      summary: Changes a resource
      tags: [resources]
      security:
        - key: [posts:write]
        - key: [posts:approve]
      requestBody:
        required: true
        content:
          application/json:
            schema: {$ref: "#/components/schemas/Resource%[1]d"}
      responses:
        "204": {description: It is changed}
        "404": {$ref: "#/components/responses/NotFound"}
`, i)
	}
	b.WriteString(`components:
  securitySchemes:
    key: {type: http, scheme: bearer}
  responses:
    NotFound: {description: There is no such resource}
  schemas:
`)
	for i := range n / 2 {
		fmt.Fprintf(&b, `    Resource%d:
      type: object
      required: [id, name]
      properties:
        id: {type: string, description: The ID of the resource}
        name: {type: string, maxLength: 100}
        created_at: {type: string, format: date-time}
`, i)
	}
	return b.String()
}

func benchmarkRead(b *testing.B, operations int, name string, text string) {
	b.Helper()
	path := write(b, map[string]string{name: text})
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		d, err := openapi.Read(path, openapi.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if n := len(d.Routes()); n != operations {
			b.Fatalf("%d routes", n)
		}
	}
}

func BenchmarkRead10(b *testing.B) {
	benchmarkRead(b, 10, "openapi.yaml", largeDocument(10))
}

func BenchmarkRead10000(b *testing.B) {
	benchmarkRead(b, 10_000, "openapi.yaml", largeDocument(10_000))
}

// A third of them are denied, and the table of routes is made as well.
func BenchmarkReadDenied10000(b *testing.B) {
	path := write(b, map[string]string{"openapi.yaml": thirdDenied(largeDocument(10_000))})
	for b.Loop() {
		d, err := openapi.Read(path, openapi.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := access.NewTable(d.Routes()); err != nil {
			b.Fatal(err)
		}
	}
}

// thirdDenied asks a scope of no form of every third operation.
func thirdDenied(document string) string {
	n := 0
	return securities.ReplaceAllStringFunc(document, func(key string) string {
		if n++; n%3 == 0 {
			return "      tags: [resources]\n      security: [{key: [Denied]}]\n      x-was:\n"
		}
		return key
	})
}

var securities = regexp.MustCompile(`      tags: \[resources\]\n(      security:\n)?`)

func BenchmarkMatchDenied(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		d := mustRead(b, one(thirdDenied(largeDocument(n))), openapi.Options{})
		table, err := access.NewTable(d.Routes())
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if table.Match("GET", "/v1/resource2/7Hk2Qp9aX3bC") == nil {
					b.Fatal("no route")
				}
			}
		})
	}
}

func BenchmarkRead10000JSON(b *testing.B) {
	benchmarkRead(b, 10_000, "openapi.json", toJSON(b, largeDocument(10_000)))
}

// A document of 13 MB in one line, nearly all of it schemas.
func BenchmarkReadSchemasJSON(b *testing.B) {
	var paths, schemas []string
	for i := range 600 {
		operation := fmt.Sprintf(`{"security":[{"key":["posts:read"]}],"responses":{"200":{"description":"It","content":{"application/json":{"schema":{"$ref":"#/components/schemas/S%d"}}}}}}`, i)
		paths = append(paths, fmt.Sprintf(`"/r%d/{id}":{"get":%s,"put":%s}`, i, operation, operation))
		properties := strings.Repeat(`"p":{"type":"string","description":"A property of the resource","maxLength":100,"enum":["a","b","c"]},`, 210)
		schemas = append(schemas, fmt.Sprintf(`"S%d":{"type":"object","properties":{%s"last":{"type":"string"}}}`, i, properties))
	}
	text := `{"openapi":"3.1.0","paths":{` + strings.Join(paths, ",") + `},"components":{"securitySchemes":{"key":{"type":"http","scheme":"bearer"}},"schemas":{` + strings.Join(schemas, ",") + `}}}`
	benchmarkRead(b, 1200, "openapi.json", text)
}
