// Package azure asks a node's metadata service and a registry as Azure's own programs on a node do.
package azure

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
)

const tokenURL = "http://169.254.169.254/metadata/identity/oauth2/token"

// Config is what these programs read of a node's azure.json.
type Config struct {
	Cloud        string `json:"cloud"`
	Location     string `json:"location"`
	TenantID     string `json:"tenantId"`
	ClientID     string `json:"aadClientId"`
	ClientSecret string `json:"aadClientSecret"`
	Managed      bool   `json:"useManagedIdentityExtension"`
	IdentityID   string `json:"userAssignedIdentityID"`
}

// Load reads an azure.json.
func Load(path string) (Config, error) {
	var config Config
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &config)
	}
	return config, err
}

// Answer is a response with its whole body.
type Answer struct {
	Status string
	Code   int
	Header http.Header
	Body   []byte
}

// Identity asks the metadata service for a token of a managed identity.
func Identity(client *http.Client, resource, clientID string) (Answer, error) {
	query := url.Values{"api-version": {"2018-02-01"}, "resource": {resource}}
	if clientID != "" {
		query.Set("client_id", clientID)
	}
	request, err := http.NewRequest(http.MethodGet, tokenURL+"?"+query.Encode(), nil)
	if err != nil {
		return Answer{}, err
	}
	request.Header.Set("Metadata", "true")
	return send(client, request)
}

// Get sends a plain request.
func Get(client *http.Client, address string) (Answer, error) {
	request, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return Answer{}, err
	}
	return send(client, request)
}

// Exchange gives a registry a token of the directory for a refresh token of its own.
func Exchange(client *http.Client, address string, form url.Values) (Answer, error) {
	request, err := http.NewRequest(http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return Answer{}, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return send(client, request)
}

// Field is a text of a JSON body.
func (a Answer) Field(name string) (string, error) {
	var fields map[string]any
	if err := json.Unmarshal(a.Body, &fields); err != nil {
		return "", err
	}
	text, found := fields[name].(string)
	if !found {
		return "", fmt.Errorf("the answer has no %s", name)
	}
	return text, nil
}

func send(client *http.Client, request *http.Request) (Answer, error) {
	response, err := client.Do(request)
	if err != nil {
		return Answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return Answer{response.Status, response.StatusCode, response.Header, body}, err
}
