package redisstore

import (
	"strings"

	"github.com/socialpatra/keygate/apikey"
)

// schemaVersion changes when an older Keygate could misread what is stored. 2:
// records may have created_by, which gateways of 1 refuse to read. 3: records may
// have an account, and audit entries have places in the trails of their workspaces. 4: there
// is what was seen of the use of keys, and what webhooks are still to be told.
const schemaVersion = "4"

// names are the names of the engine's keys. What belongs to one API key is in
// the slot of its ID, all that is only for administration in one other slot.
type names struct {
	record, use, marks, seen string // begin the names of what belongs to one API key

	meta       string // HASH: schema, created, name, brand, seq (of the last audit entry), placed (the last one in places), watched (the day from which on use is)
	ids        string // ZSET, all scores 0: the IDs of all keys
	workspaces string // ZSET, all scores 0: workspace, 0, ID
	disabled   string // ZSET, all scores 0: the IDs of disabled keys
	revoked    string // ZSET, all scores 0: the IDs of revoked keys
	expires    string // ZSET: the IDs of all other keys that expire, by Unix seconds
	until      string // ZSET: the IDs of disabled keys that expire, by Unix seconds
	opaque     string // HASH: hash → ID
	limits     string // HASH: workspace → record
	used       string // ZSET: the IDs of keys with use, by the last day with some
	charged    string // HASH: day, space, workspace → charged to the workspace
	audit      string // ZSET by number: number, space, JSON
	auditByKey string // ZSET, all scores 0: ID, colon, number of 20 digits
	auditByWs  string // ZSET, all scores 0: see inTrail
	places     string // HASH: number of an audit entry → its number in the trail of its workspace, space, workspace
	buckets    string // STRING: JSON
	gateways   string // ZSET: the gateways that are there, by when they last said so
	mending    string // STRING: a gateway looks for what is missing in the index
	pending    string // HASH: change that is under way → since when, its pages, its keys
	steps      string // HASH: change, slash, page → how often it was entered, space, JSON
	outboxes   string // HASH: outbox → its place, space, when it was last wanted in Unix seconds
	outbox     string // begins the name of a HASH: see fieldOf → the record of a message
	lease      string // begins the name of a STRING: who holds an outbox; it expires
	reserved   string // HASH: change that is under way → the IDs of keys that it makes live, with commas, space, workspace; see noteScript
	entered    string // HASH: "" → how often any key was entered, ID → the last time; see enterScript
}

func newNames(prefix string) names {
	admin := "{" + prefix + "}:"
	return names{
		record: prefix + ":k:", use: prefix + ":u:", marks: prefix + ":m:", seen: prefix + ":s:",
		meta: admin + "meta", ids: admin + "idx", workspaces: admin + "byws",
		disabled: admin + "disabled", revoked: admin + "revoked", expires: admin + "expires", until: admin + "until",
		opaque: admin + "opaque", limits: admin + "ws", used: admin + "used", charged: admin + "uw",
		audit: admin + "audit", auditByKey: admin + "auditby", buckets: admin + "buckets", mending: admin + "mending", gateways: admin + "gateways",
		auditByWs: admin + "auditws", places: admin + "places",
		pending: admin + "pending", steps: admin + "steps", reserved: admin + "reserved", entered: admin + "entered",
		outboxes: admin + "outboxes", outbox: admin + "outbox:", lease: admin + "lease:",
	}
}

func (n *names) recordOf(id apikey.ID) string { return n.record + "{" + id.String() + "}" }

func (n *names) useOf(id apikey.ID) string { return n.use + "{" + id.String() + "}" }

// seenOf is a HASH, see decodeSeen.
func (n *names) seenOf(id apikey.ID) string { return n.seen + "{" + id.String() + "}" }

// marksOf is a HASH: change → "done" or "closed", see swapScript.
func (n *names) marksOf(id apikey.ID) string { return n.marks + "{" + id.String() + "}" }

// idOf undoes recordOf. It reports false for any other name.
func (n *names) idOf(name string) (apikey.ID, bool) { return idIn(n.record, name) }

// idIn returns the ID in the name of what belongs to one API key.
func idIn(beginning, name string) (apikey.ID, bool) {
	text, begins := strings.CutPrefix(name, beginning+"{")
	text, ends := strings.CutSuffix(text, "}")
	id, err := apikey.ParseID(text)
	return id, begins && ends && err == nil
}

// inWorkspace is the member of the index of workspaces. No workspace has a zero
// byte.
func inWorkspace(workspace, id string) string { return workspace + "\x00" + id }

// idInMember is the ID in a member of one of the sets of keys.
func idInMember(member string) string { return member[strings.LastIndexByte(member, 0)+1:] }
