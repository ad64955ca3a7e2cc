// Command acr-credential-provider stands in for the program of that name that AKS gives its kubelets.
//
// It speaks credentialprovider.kubelet.k8s.io/v1, and goes the same way: a token of the node's identity from the
// metadata service, the registry's challenge, the exchange. Its words are those of kubernetes-sigs/cloud-provider-azure,
// pkg/credentialprovider/azure_credentials.go and azure_acr_helper.go, and of azidentity where there is no token. What it
// gives is kept for seconds where the real one says an hour, so that a role that was given takes effect at once.
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"acrcheck.test/images/azure"
)

const (
	nullGUID = "00000000-0000-0000-0000-000000000000"
	audience = "https://containerregistry.azure.net"
	lifetime = "3s"
	limit    = 60 * time.Second
	rule     = "--------------------------------------------------------------------------------"
)

var (
	registry  = regexp.MustCompile(`[a-zA-Z0-9]+\.(azurecr\.io|azurecr\.cn|azurecr\.de|azurecr\.us)`)
	parameter = regexp.MustCompile(`(\w+)="([^"]*)"`)
)

type credential struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

type response struct {
	Kind          string                `json:"kind"`
	APIVersion    string                `json:"apiVersion"`
	CacheKeyType  string                `json:"cacheKeyType"`
	CacheDuration string                `json:"cacheDuration"`
	Auth          map[string]credential `json:"auth"`
}

func main() {
	var asked struct {
		Image string `json:"image"`
	}
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		fail("main.go:54", "Error running acr credential provider: %v", err)
	}
	config, err := azure.Load(os.Args[len(os.Args)-1])
	if err != nil {
		fail("main.go:54", "Error running acr credential provider: failed to load config: %v", err)
	}
	answer := response{"CredentialProviderResponse", "credentialprovider.kubelet.k8s.io/v1", "Registry", lifetime, map[string]credential{}}
	if host := registry.FindString(asked.Image); host != "" {
		answer.Auth["*.azurecr.*"] = credential{}
		answer.Auth[host] = given(config, host)
	} else {
		say("azure_credentials.go:183", "image(%s) is not from ACR, return empty authentication", asked.Image)
	}
	json.NewEncoder(os.Stdout).Encode(answer)
}

// given is the node's credential for a registry; the program ends where there is none.
func given(config azure.Config, host string) credential {
	if !config.Managed {
		return credential{config.ClientID, config.ClientSecret}
	}
	client := &http.Client{Timeout: limit}
	token := token(client, config, host)
	challenge := challenge(client, host)
	address := strings.Replace(challenge["realm"], "/oauth2/token", "/oauth2/exchange", 1)
	form := url.Values{
		"grant_type":    {"access_token_refresh_token"},
		"service":       {challenge["service"]},
		"access_token":  {token},
		"refresh_token": {token},
		"tenant":        {config.TenantID},
	}
	answer, err := azure.Exchange(client, address, form)
	if err != nil {
		stop("failed to perform token exchange", host, fmt.Sprintf("Www-Authenticate: failed to reach auth url %s", address))
	}
	if answer.Code != http.StatusOK {
		said := fmt.Sprintf("Www-Authenticate: auth url %s responded with status code %d", address, answer.Code)
		stop("failed to perform token exchange", host, said)
	}
	password, err := answer.Field("refresh_token")
	if err != nil {
		stop("failed to perform token exchange", host, err.Error())
	}
	return credential{nullGUID, password}
}

func token(client *http.Client, config azure.Config, host string) string {
	const stage, failed = "Failed to ensure fresh service principal token", "ManagedIdentityCredential authentication failed. "
	answer, err := azure.Identity(client, audience, config.IdentityID)
	if err != nil {
		stop(stage, host, failed+err.Error())
	}
	if answer.Code != http.StatusOK {
		lines := []string{
			failed, "GET http://169.254.169.254/metadata/identity/oauth2/token", rule, "RESPONSE " + answer.Status, rule,
			string(answer.Body), rule, "To troubleshoot, visit https://aka.ms/azsdk/go/identity/troubleshoot#managed-id",
		}
		stop(stage, host, strings.Join(lines, "\n"))
	}
	text, err := answer.Field("access_token")
	if err != nil {
		stop(stage, host, failed+err.Error())
	}
	return text
}

func challenge(client *http.Client, host string) map[string]string {
	const stage = "failed to receive challenge"
	address := "https://" + host + "/v2/"
	answer, err := azure.Get(client, address)
	if err != nil {
		stop(stage, host, fmt.Sprintf("error reaching registry endpoint %s, error: %v", address, err))
	}
	if answer.Code != http.StatusUnauthorized {
		stop(stage, host, fmt.Sprintf("registry did not issue a valid AAD challenge, status: %d", answer.Code))
	}
	header := answer.Header.Get("Www-Authenticate")
	if header == "" {
		stop(stage, host, "challenge response does not contain header 'Www-Authenticate'")
	}
	found := map[string]string{}
	for _, match := range parameter.FindAllStringSubmatch(header, -1) {
		found[match[1]] = match[2]
	}
	return found
}

// stop says at three places what went wrong, as the real program does, and ends.
func stop(stage, host, problem string) {
	say("azure_credentials.go:217", "%s: %s", stage, problem)
	say("azure_credentials.go:155", "error getting credentials from ACR for %s: %s", host, problem)
	fail("main.go:54", "Error running acr credential provider: %s", problem)
}

func fail(place, format string, values ...any) {
	say(place, format, values...)
	os.Exit(1)
}

// say writes a line in the form of klog.
func say(place, format string, values ...any) {
	stamp := time.Now().Format("0102 15:04:05.000000")
	fmt.Fprintf(os.Stderr, "E%s %7d %s] %s\n", stamp, os.Getpid(), place, fmt.Sprintf(format, values...))
}
