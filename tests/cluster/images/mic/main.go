// Command mic is a placeholder for AAD Pod Identity's Managed Identity Controller: it is alive and does nothing,
// so that tests decide which AzureAssignedIdentity objects there are.
package main

import (
	"fmt"
	"net/http"
	"os"
)

func main() {
	http.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "Active")
	})
	fmt.Println(http.ListenAndServe(":8080", nil))
	os.Exit(1)
}
