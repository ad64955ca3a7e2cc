//go:build tools

// Package troubleshoot pins the support-bundle command, whose own go.mod replaces modules: it cannot be installed.
package troubleshoot

import _ "github.com/replicatedhq/troubleshoot/cmd/troubleshoot"
