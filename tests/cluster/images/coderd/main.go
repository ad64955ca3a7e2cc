// Command coderd stands in for Coder's control plane: it answers the health check of the chart's probes and,
// when told to, keeps one connection to the metadata service alive and asks for a token on it, as a program
// with Go's default transport does.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"
)

const imds = "http://169.254.169.254/metadata/identity/oauth2/token"

func main() {
	if len(os.Args) > 1 && os.Args[1] == "migrate" {
		report("migrations are up to date")
		return
	}
	if identity := os.Getenv("KEEPALIVE_IDENTITY"); identity != "" {
		go keepAsking(identity)
	}
	http.HandleFunc("GET /cem-healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
	})
	report("listening on :8080")
	report(http.ListenAndServe(":8080", nil).Error())
	os.Exit(1)
}

// keepAsking asks once a second, always on the same connection for as long as the other side keeps it open.
func keepAsking(identity string) {
	dialer := &net.Dialer{KeepAlive: 15 * time.Second, Timeout: 5 * time.Second}
	client := &http.Client{
		Timeout: 10 * time.Second,
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				report("opening a connection to " + address)
				return dialer.DialContext(ctx, network, address)
			},
			MaxConnsPerHost:     1,
			MaxIdleConnsPerHost: 1,
		},
	}
	for ; ; time.Sleep(time.Second) {
		if err := ask(client, identity); err != nil {
			report("acquire azure token: " + err.Error())
		} else {
			report("acquired azure token")
		}
	}
}

func ask(client *http.Client, identity string) error {
	query := url.Values{
		"api-version": {"2018-02-01"},
		"resource":    {"https://management.core.windows.net/"},
		"client_id":   {identity},
	}
	request, err := http.NewRequest(http.MethodGet, imds+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	request.Header.Set("Metadata", "true")
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	// Read to the end, or the transport closes the connection instead of keeping it.
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d: %s", response.StatusCode, body)
	}
	return nil
}

func report(message string) {
	line, err := json.Marshal(map[string]string{"ts": time.Now().UTC().Format(time.RFC3339Nano), "msg": message})
	if err == nil {
		fmt.Println(string(line))
	}
}
