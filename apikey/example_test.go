package apikey_test

import (
	"fmt"
	"strings"

	"github.com/socialpatra/keygate/apikey"
)

// A token is made once; afterwards only its hash is there to recognise it by.
func Example() {
	token, id, stored := apikey.Generate(apikey.DefaultBrand)
	fmt.Println(len(token), "characters")
	fmt.Println("shown as its prefix:", strings.HasPrefix(token, apikey.Prefix(apikey.DefaultBrand, id)))

	claimed, ok := apikey.Parse(apikey.DefaultBrand, token)
	fmt.Println("well formed:", ok, "names its key:", claimed == id)
	fmt.Println("right secret:", stored.Equal(apikey.HashToken(token)))
	fmt.Println("kept:", stored)

	_, ok = apikey.Parse(apikey.DefaultBrand, token[:len(token)-1]+"_")
	fmt.Println("mistyped:", ok)
	// Output:
	// 57 characters
	// shown as its prefix: true
	// well formed: true names its key: true
	// right secret: true
	// kept: sha256:(hidden)
	// mistyped: false
}

// Settings are checked and brought into one form before a key is stored.
func ExampleKey_Normalize() {
	key := apikey.Key{
		Workspace:      "acme",
		Name:           "Zapier - product launches",
		Scopes:         []string{"posts:write", "media:upload", "posts:write"},
		AllowedOrigins: []string{"https://Shop.Example:443"},
		AllowedIPs:     []string{"::ffff:203.0.113.7"},
	}
	fmt.Println(key.Normalize())
	fmt.Println(key.Scopes, key.AllowedOrigins, key.AllowedIPs, key.Limits.PerMinute)

	key.AllowedOrigins = []string{"https://shop.example/"}
	fmt.Println(key.Normalize())
	fmt.Println(apikey.CheckKnown([]string{"posts:wrte"}, nil))
	// Output:
	// <nil>
	// [media:upload posts:write] [https://shop.example] [203.0.113.7] 60
	// allowed_origins: "https://shop.example/" has a path (leave out the path: https://shop.example)
	// scopes: "posts:wrte" is not a known scope (did you mean posts:write?)
}
