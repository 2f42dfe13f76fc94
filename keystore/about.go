package keystore

// About says which store it is, for logs, metrics, and whoever asks which of
// several stores has answered. It has no secret.
type About struct {
	Kind   string // such as bbolt or redis
	Place  string // the path of the file as it was opened, or the engine's addresses and prefix
	Schema int    // the version of what is stored

	// Made is true if there was no store, so that it was made when it was opened.
	Made bool

	// Warnings tell what is not as it should be with the place, and what to do.
	Warnings []string
}
