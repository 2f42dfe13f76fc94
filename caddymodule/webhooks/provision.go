package webhooks

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/socialpatra/keygate/webhook"
)

// maxSecrets is one, and another one while it is being changed.
const maxSecrets = 2

var placeholder = regexp.MustCompile(`^\{(env|file)\.[^{}]+\}$`)

// check refuses what is wrong whatever the placeholders stand for. No error has a
// secret, or more of a URL than scheme and host.
func check(configs []webhook.Config) error {
	if n := len(configs); n > webhook.MaxHooks {
		return fmt.Errorf("there are %d webhooks; accepted: up to %d", n, webhook.MaxHooks)
	}
	for i, c := range configs {
		if err := checkOne(c); err != nil {
			return fmt.Errorf("webhook %d: %w", i+1, err)
		}
	}
	return nil
}

func checkOne(c webhook.Config) error {
	if !strings.Contains(c.URL, "{") {
		if _, err := webhook.ParseURL(c.URL); err != nil {
			return fmt.Errorf("url: %w", err)
		}
	}
	if n := len(c.Secrets); n == 0 || n > maxSecrets {
		return fmt.Errorf("it has %d secrets; accepted: 1, or 2 while one is being changed", n)
	}
	for _, s := range c.Secrets {
		if !placeholder.MatchString(s) {
			return fmt.Errorf("a secret is not a placeholder, and would be shown with the config; accepted: {env.NAME} or {file.PATH} and nothing around it")
		}
	}
	return webhook.CheckEvents(c.Events)
}

// Provision checks webhooks and expands their placeholders.
func Provision(configs []webhook.Config) ([]webhook.Hook, error) {
	if err := check(configs); err != nil {
		return nil, err
	}
	var hooks []webhook.Hook
	seen := make(map[string]int)
	for i, c := range configs {
		h, err := provisionOne(c)
		if err != nil {
			return nil, fmt.Errorf("webhook %d: %w", i+1, err)
		}
		if first, twice := seen[h.Name()]; twice {
			return nil, fmt.Errorf("webhook %d: its url is that of webhook %d; name the events of both in one", i+1, first)
		}
		seen[h.Name()] = i + 1
		hooks = append(hooks, h)
	}
	return hooks, nil
}

func provisionOne(c webhook.Config) (webhook.Hook, error) {
	h, repl := webhook.Hook{Events: c.Events}, caddy.NewReplacer()
	expanded, err := repl.ReplaceOrErr(c.URL, true, true)
	if err != nil {
		return h, fmt.Errorf("url: %w", err)
	}
	if h.URL, err = webhook.ParseURL(strings.TrimSpace(expanded)); err != nil {
		return h, fmt.Errorf("url: %w", err)
	}
	for _, placeholder := range c.Secrets {
		text, err := repl.ReplaceOrErr(placeholder, true, true)
		if err != nil {
			return h, fmt.Errorf("the secret %s: %w", placeholder, err)
		}
		secret, err := webhook.ParseSecret(text)
		if err != nil {
			return h, fmt.Errorf("the secret %s: %w", placeholder, err)
		}
		if len(h.Secrets) == 1 && h.Secrets[0].Equal(secret) {
			return h, fmt.Errorf("its secrets are the same; give one, or two that differ")
		}
		h.Secrets = append(h.Secrets, secret)
	}
	return h, nil
}
