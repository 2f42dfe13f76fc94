// Command apiclients leads a key through its life with a client that oapi-codegen
// has made of openapi.yaml: package client is made when the test runs.
//
//	go run . http://127.0.0.1:2019
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"slices"
	"time"

	"example.com/apiclients/client"
)

func main() {
	log.SetFlags(0)
	if err := life(context.Background(), os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

// life makes a key, changes, rotates, reads and ends it.
func life(ctx context.Context, server string) error {
	api, err := client.NewClientWithResponses(server)
	if err != nil {
		return err
	}
	days, description := 90, "Made by a generated client"
	who := "Ada%20Lovelace"
	made, err := api.CreateKeyWithResponse(ctx, &client.CreateKeyParams{KeygateBy: &who}, client.NewKey{
		Workspace: "acme", Name: "Zapier", Description: &description, Scopes: []client.Scope{"posts:write", "posts:read"}, ExpiresInDays: &days,
	})
	if err != nil || made.JSON201 == nil {
		return failed("create", err, made.Body)
	}
	key := made.JSON201.Key
	if key.ExpiresAt == nil || time.Until(*key.ExpiresAt) < 89*24*time.Hour || key.Limits.PerMinute != 60 || key.CreatedBy != "Ada Lovelace" || key.LastUsedAt != nil {
		return failed("create", nil, made.Body)
	}
	etag := made.HTTPResponse.Header.Get("ETag")
	minute := 30
	changed, err := api.UpdateKeyWithResponse(ctx, key.Id, &client.UpdateKeyParams{IfMatch: &etag}, client.KeyChanges{Limits: &client.NewLimits{PerMinute: &minute}})
	if err != nil || changed.JSON200 == nil || changed.JSON200.Limits.PerMinute != 30 || changed.JSON200.Limits.PerDay != 10_000 {
		return failed("update", err, changed.Body)
	}
	again, err := api.UpdateKeyWithResponse(ctx, key.Id, &client.UpdateKeyParams{IfMatch: &etag}, client.KeyChanges{})
	if err != nil || again.JSON412 == nil || again.JSON412.Error == "" {
		return failed("an update of what has changed", err, again.Body)
	}
	overlap := "1h"
	rotated, err := api.RotateKeyWithResponse(ctx, key.Id, nil, client.RotateKeyJSONRequestBody{Overlap: &overlap})
	if err != nil || rotated.JSON201 == nil || rotated.JSON201.Key.RotatedFrom != key.Id {
		return failed("rotate", err, rotated.Body)
	}
	workspace := "acme"
	listed, err := api.ListKeysWithResponse(ctx, &client.ListKeysParams{Workspace: &workspace})
	if err != nil || listed.JSON200 == nil || len(listed.JSON200.Keys) != 2 {
		return failed("list", err, listed.Body)
	}
	for _, end := range []func() (int, error){
		func() (int, error) {
			r, err := api.DisableKeyWithResponse(ctx, key.Id, nil)
			return r.StatusCode(), err
		},
		func() (int, error) { r, err := api.EnableKeyWithResponse(ctx, key.Id, nil); return r.StatusCode(), err },
		func() (int, error) { r, err := api.KeyUsageWithResponse(ctx, key.Id, nil); return r.StatusCode(), err },
		func() (int, error) { r, err := api.RevokeKeyWithResponse(ctx, key.Id, nil); return r.StatusCode(), err },
	} {
		if status, err := end(); err != nil || status != http.StatusOK {
			return errors.Join(fmt.Errorf("status %d", status), err)
		}
	}
	history, err := api.AuditWithResponse(ctx, &client.AuditParams{Key: &key.Id})
	if err != nil || history.JSON200 == nil {
		return failed("audit", err, history.Body)
	}
	var actions []string
	for _, entry := range history.JSON200.Entries {
		actions = append(actions, entry.Action)
	}
	if want := []string{"revoke", "enable", "disable", "rotate", "update", "create"}; !slices.Equal(actions, want) {
		return fmt.Errorf("the trail has %v, want %v", actions, want)
	}
	deleted, err := api.DeleteKeyWithResponse(ctx, key.Id, nil)
	if err != nil || deleted.StatusCode() != http.StatusNoContent {
		return failed("delete", err, deleted.Body)
	}
	gone, err := api.ShowKeyWithResponse(ctx, key.Id)
	if err != nil || gone.JSON404 == nil {
		return failed("a deleted key", err, gone.Body)
	}
	ready, err := api.HealthWithResponse(ctx)
	if err != nil || ready.JSON200 == nil || ready.JSON200.Store.Kind != "bbolt" {
		return failed("health", err, ready.Body)
	}
	fmt.Println("a whole life")
	return nil
}

func failed(what string, err error, answer []byte) error {
	return errors.Join(fmt.Errorf("%s: %s", what, answer), err)
}
