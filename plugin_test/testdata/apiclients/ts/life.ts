// Leads a key through its life with a client that openapi-typescript has made of
// openapi.yaml: api.d.ts is made when the test runs.
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

const server = process.argv[2];
if (server === undefined) throw new Error("usage: life SERVER");

// Caddy takes requests of fetch, which has Sec-Fetch-Mode, only with an Origin
// that it knows.
const api = createClient<paths>({ baseUrl: server, headers: { Origin: server } });

function ok(what: string, good: boolean, got: unknown): asserts good {
  if (!good) throw new Error(`${what}: ${JSON.stringify(got)}`);
}

const settings: components["schemas"]["NewKey"] = {
  workspace: "acme",
  name: "Zapier",
  description: "Made by a generated client",
  scopes: ["posts:write", "posts:read"],
  expires_in_days: 90,
};
const made = await api.POST("/keygate/keys", { params: { header: { "Keygate-By": "Ada%20Lovelace" } }, body: settings });
ok("create", made.data !== undefined, made.error);
const { key, token } = made.data;
ok("create", token.startsWith(key.prefix) && key.limits.per_minute === 60 && key.expires_at !== null && key.created_by === "Ada Lovelace", key);

const path = { id: key.id };
const etag = made.response.headers.get("ETag") ?? "";
const changed = await api.PATCH("/keygate/keys/{id}", {
  params: { path, header: { "If-Match": etag } },
  body: { limits: { per_minute: 30 }, expires_at: null },
});
ok("update", changed.data?.limits.per_minute === 30 && changed.data.expires_at === null, changed);
const again = await api.PATCH("/keygate/keys/{id}", { params: { path, header: { "If-Match": etag } }, body: {} });
ok("an update of what has changed", again.response.status === 412 && again.error !== undefined && again.error.error !== "", again);

const rotated = await api.POST("/keygate/keys/{id}/rotate", { params: { path }, body: { overlap: "1h" } });
ok("rotate", rotated.data?.key.rotated_from === key.id, rotated);
const listed = await api.GET("/keygate/keys", { params: { query: { workspace: "acme", status: "active" } } });
ok("list", listed.data?.keys.length === 2, listed);

for (const end of [
  await api.POST("/keygate/keys/{id}/disable", { params: { path } }),
  await api.POST("/keygate/keys/{id}/enable", { params: { path } }),
  await api.POST("/keygate/keys/{id}/revoke", { params: { path } }),
]) {
  ok("end", end.data?.id === key.id, end);
}
const use = await api.GET("/keygate/keys/{id}/usage", { params: { path, query: { days: 7 } } });
ok("usage", Array.isArray(use.data?.days), use);
const history = await api.GET("/keygate/audit", { params: { query: { key: key.id } } });
const actions = history.data?.entries.map((entry) => entry.action).join(" ");
ok("audit", actions === "revoke enable disable rotate update create", history);

const deleted = await api.DELETE("/keygate/keys/{id}", { params: { path } });
ok("delete", deleted.response.status === 204, deleted.error);
const gone = await api.GET("/keygate/keys/{id}", { params: { path } });
ok("a deleted key", gone.response.status === 404 && gone.error !== undefined, gone);
const ready = await api.GET("/keygate/health");
ok("health", ready.data?.store.kind === "bbolt", ready);
console.log("a whole life");
