package apikey

import "slices"

// ScopeInfo is a scope and one line on what it opens.
type ScopeInfo struct {
	Scope       string `json:"scope"`
	Description string `json:"description"`
}

var catalogue = [...]ScopeInfo{
	{"posts:read", "Read posts and drafts"},
	{"posts:write", "Create and change posts and drafts"},
	{"posts:delete", "Delete posts and drafts"},
	{"posts:approve", "Approve or reject posts that await review"},
	{"media:upload", "Upload images and videos"},
	{"queue:read", "Read the publishing queue"},
	{"queue:write", "Add to, reorder and pause the publishing queue"},
	{"schedule:read", "Read the posting schedule"},
	{"schedule:write", "Change the posting schedule"},
	{"analytics:read", "Read reach, engagement and reports"},
	{"connections:read", "List the connected social accounts"},
	{"connections:write", "Connect and disconnect social accounts"},
	{"feeds:read", "Read the feeds that posts are drawn from"},
	{"feeds:write", "Add, change and remove feeds"},
	{"ai:generate", "Generate texts and images"},
}

// Catalogue returns the scopes of SocialPatra's API, grouped by resource. A
// scope grants only itself: write does not imply read.
func Catalogue() []ScopeInfo { return slices.Clone(catalogue[:]) }

func catalogueScopes() []string {
	scopes := make([]string, 0, len(catalogue))
	for _, info := range catalogue {
		scopes = append(scopes, info.Scope)
	}
	return scopes
}

func inCatalogue(scope string) bool {
	return slices.ContainsFunc(catalogue[:], func(info ScopeInfo) bool { return info.Scope == scope })
}
