// Command canipull goes the steps of the program that `az aks check-acr` runs on a node, and prints its words.
//
// They are those of Azure/aks-canipull v0.1.0, main.go and pkg/**. The first argument is the node's azure.json, the
// second the registry's host. It waits for nothing before it begins, and colours nothing.
package main

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"acrcheck.test/images/azure"
)

const (
	arm             = "https://management.azure.com/"
	unloaded        = 1
	unauthenticated = 10
	unresolved      = 52
	rejected        = 60
	limit           = 30 * time.Second
)

func main() {
	path, host := os.Args[1], os.Args[2]
	location := names(host)
	config, err := azure.Load(path)
	if err != nil {
		say("Failed to load azure.json. Are you running inside Kubernetes on Azure?")
		os.Exit(unloaded)
	}
	if location != "" && location != config.Location {
		say("Checking ACR location matches cluster location: FAILED")
		say("ACR location '%s' does not match your cluster location '%s'. This may result in slow image pulls and extra cost.", location, config.Location)
	}
	say("Checking managed identity...")
	say("Kubelet managed identity client ID: %s", config.IdentityID)
	client := &http.Client{Timeout: limit}
	token := token(client, config)
	if problem := exchange(client, config, host, token); problem != "" {
		say("Validating image pull permission: FAILED")
		say("ACR %s rejected token exchange: %s", host, problem)
		os.Exit(rejected)
	}
	say("Validating image pull permission: SUCCEEDED")
	say("")
	say("Your cluster can pull images from %s!", host)
}

// names looks the host up, and gives the location that its canonical name says.
func names(host string) string {
	if _, err := net.LookupHost(host); err != nil {
		say("Checking host name resolution (%s): FAILED", host)
		say("Failed to resolve specified fqdn %s: %v", host, err)
		os.Exit(unresolved)
	}
	say("Checking host name resolution (%s): SUCCEEDED", host)
	canonical, err := net.LookupCNAME(host)
	if err != nil {
		say("Checking CNAME (%s): FAILED", host)
		say("Failed to get CNAME of the ACR: %v", err)
		os.Exit(unresolved)
	}
	say("Canonical name for ACR (%s): %s", host, canonical)
	label := strings.Split(canonical, ".")[1]
	// The simulated registry has no canonical name in a region.
	if label == "privatelink" || label == "azurecr" {
		return ""
	}
	say("ACR location: %s", label)
	return label
}

func token(client *http.Client, config azure.Config) string {
	answer, err := azure.Identity(client, arm, config.IdentityID)
	problem := ""
	if err != nil {
		problem = err.Error()
	} else if answer.Code != http.StatusOK {
		problem = fmt.Sprintf("Metadata endpoint returned error status: %d. body: %s", answer.Code, answer.Body)
	}
	text := ""
	if problem == "" {
		if text, err = answer.Field("access_token"); err != nil {
			problem = err.Error()
		}
	}
	if problem != "" {
		say("Validating managed identity existance: FAILED")
		say("Getting managed identity token failed with: failed to refresh ARM access token: %s", problem)
		os.Exit(unauthenticated)
	}
	say("Validating managed identity existance: SUCCEEDED")
	return text
}

func exchange(client *http.Client, config azure.Config, host, token string) string {
	form := url.Values{"grant_type": {"access_token"}, "service": {host}, "access_token": {token}, "tenant": {config.TenantID}}
	answer, err := azure.Exchange(client, "https://"+host+"/oauth2/exchange", form)
	if err != nil {
		return fmt.Sprintf("failed to send token exchange request: %v", err)
	}
	if answer.Code != http.StatusOK {
		return fmt.Sprintf("ACR token exchange endpoint returned error status: %d. body: %s", answer.Code, answer.Body)
	}
	return ""
}

func say(format string, values ...any) {
	fmt.Printf("[%s] %s\n", time.Now().UTC().Format(time.RFC3339), fmt.Sprintf(format, values...))
}
