//go:build browser

package plugin_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// The page of the recipe lists, creates and rotates keys, and shows what is refused,
// under its strict policy.
func TestRecipePageInABrowser(t *testing.T) {
	c := startConsole(t, recipe(t, "A page of your own", 0), startSessions(t), nil)
	c.servePage(t)
	tb := openTab(t, c.URL+"/settings/keys.html")
	const page = `document.title + " is " + document.readyState` // a title may be there before the rest
	tb.awaitText(page, "API keys is complete")
	tb.eval(`document.querySelector("a").click()`)
	tb.awaitText(page, "Sign in is complete")
	tb.eval(`document.forms[0].elements.name.value = %s; document.forms[0].elements.password.value = %s; document.forms[0].submit()`, "ada", password)
	tb.awaitText("document.title", "API keys")
	tb.awaitText(`document.getElementById("scopes").textContent`, "posts:read")

	fill := func(name string, scopes ...string) {
		t.Helper()
		tb.eval(`(() => {
			const form = document.getElementById("form");
			form.elements.name.value = %s;
			const scopes = %s;
			for (const box of form.querySelectorAll("[name=scope]")) box.checked = scopes.includes(box.value);
			form.dispatchEvent(new Event("input"));
			form.requestSubmit();
		})()`, name, append([]string{}, scopes...))
	}
	fill("first", "posts:read")
	token := tb.awaitText(`document.getElementById("token").textContent`, "patra_")
	if resp := c.stored(t); !strings.Contains(resp, `"name":"first"`) || !strings.Contains(resp, `"created_by":"ada"`) {
		t.Errorf("stored is %s", resp)
	}
	tb.awaitText(`document.getElementById("keys").textContent`, "first "+token[:18]+" active")

	// What is refused is shown, and no token beside it.
	fill("second")
	tb.awaitText(`document.getElementById("told").textContent`, "scopes")
	if shown := tb.eval(`document.getElementById("once").hidden`); shown != "true" {
		t.Errorf("a token is shown beside an error: %s", shown)
	}
	// The same form sent twice makes one key.
	tb.eval(`document.getElementById("form").elements.name.value = "third"; document.querySelector("[value='posts:write']").click()`)
	tb.eval(`document.getElementById("form").requestSubmit()`)
	third := tb.awaitText(`document.getElementById("token").textContent`, "patra_")
	tb.eval(`document.getElementById("form").requestSubmit()`)
	tb.awaitText(`document.getElementById("told").textContent`, "made the key "+third[6:18])
	if n := strings.Count(c.stored(t), `"name":"third"`); n != 1 {
		t.Errorf("%d keys were made by one form", n)
	}

	tb.eval(`[...document.querySelectorAll("#keys li")].find((row) => row.textContent.startsWith("first")).querySelector("button").click()`)
	rotated := tb.awaitText(`document.getElementById("token").textContent`, "patra_")
	if rotated == token || !strings.Contains(c.stored(t), `"replaced_by":"`+rotated[6:18]+`"`) {
		t.Errorf("rotated is %s: %s", rotated, c.stored(t))
	}
	// The policy of the recipe is in force: nothing but its own script runs.
	if got := tb.eval(`(() => { try { return String(eval("1")) } catch (e) { return e.name } })()`); got != "EvalError" {
		t.Errorf("eval in the page: %s", got)
	}
	if resp := c.by(t, c.client, "GET", "/settings/keys.html", ""); resp.Status != http.StatusOK || !regexp.MustCompile(`default-src 'none'.*trusted-types`).MatchString(resp.Header.Get("Content-Security-Policy")) {
		t.Errorf("the page: %d %v", resp.Status, resp.Header)
	}
	// A session that has ended is said.
	tb.eval(`fetch("/sign-out", {method: "POST", redirect: "manual"})`)
	tb.eval(`document.querySelector("#keys button").click()`)
	tb.awaitText(`document.getElementById("told").textContent`, "sign in first")
}
