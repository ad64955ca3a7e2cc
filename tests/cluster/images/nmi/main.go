// Command nmi stands on a node where AAD Pod Identity's Node Managed Identity server stands: it installs the
// redirect of the metadata service, listens behind it, and hands every connection on to the simulator of NMI
// that runs in the node's network namespace, with the caller's address and its own arguments in front.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	listenAddress    = "127.0.0.1:2579"
	simulatorAddress = "127.0.0.1:2580"
	chain            = "aad-metadata"
	// The sleep that the real program ends with: pods that are going may still ask.
	farewell = 10 * time.Second
)

// preamble is the line that goes ahead of a connection's bytes.
type preamble struct {
	Client string   `json:"client"`
	Args   []string `json:"args"`
}

func main() {
	flag.String("node", "", "name of this node")
	flag.String("operation-mode", "standard", "standard or managed")
	flag.Bool("forceNamespaced", false, "look only into the pod's own namespace")
	flag.Bool("block-instance-metadata", false, "refuse /metadata/instance")
	flag.Bool("metadata-header-required", true, "demand the header Metadata: true")
	flag.Bool("enableScaleFeatures", false, "filter objects by node")
	flag.String("MICNamespace", "default", "namespace of MIC")
	probePort := flag.String("http-probe-port", "8080", "port of /healthz")
	interval := flag.Int("ipt-update-interval-sec", 60, "seconds between two looks at the redirect")
	flag.Parse()

	var active atomic.Bool
	go serveHealth(*probePort, &active)
	listener, err := net.Listen("tcp4", listenAddress)
	if err != nil {
		log.Fatal(err)
	}
	go keepRedirect(time.Duration(*interval)*time.Second, &active)
	go accept(listener)

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	<-stop
	log.Print("removing the redirect")
	removeRedirect()
	time.Sleep(farewell)
}

func serveHealth(port string, active *atomic.Bool) {
	http.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if active.Load() {
			fmt.Fprint(w, "Active")
		} else {
			fmt.Fprint(w, "Not Active")
		}
	})
	log.Fatal(http.ListenAndServe(":"+port, nil))
}

func keepRedirect(interval time.Duration, active *atomic.Bool) {
	for ; ; time.Sleep(interval) {
		if err := installRedirect(); err != nil {
			log.Fatal(err)
		}
		if !active.Swap(true) {
			log.Print("the redirect is installed")
		}
	}
}

func installRedirect() error {
	if iptables("-n", "-L", chain) != nil {
		if err := iptables("-N", chain); err != nil {
			return err
		}
	}
	rules := [][]string{
		{"-F", chain},
		{"-A", chain, "!", "-s", "127.0.0.1/32", "-d", "169.254.169.254/32", "-p", "tcp", "-m", "tcp",
			"--dport", "80", "-j", "DNAT", "--to-destination", listenAddress},
		{"-A", chain, "-j", "RETURN"},
	}
	for _, rule := range rules {
		if err := iptables(rule...); err != nil {
			return err
		}
	}
	if iptables("-C", "PREROUTING", "-j", chain) == nil {
		return nil
	}
	return iptables("-I", "PREROUTING", "1", "-j", chain)
}

func removeRedirect() {
	for _, rule := range [][]string{{"-D", "PREROUTING", "-j", chain}, {"-F", chain}, {"-X", chain}} {
		if err := iptables(rule...); err != nil {
			log.Print(err)
		}
	}
}

// iptables runs the node's own program, which the image does not have.
func iptables(arguments ...string) error {
	command := exec.Command("/usr/sbin/iptables", append([]string{"-w", "5", "-t", "nat"}, arguments...)...)
	command.SysProcAttr = &syscall.SysProcAttr{Chroot: "/host"}
	command.Dir = "/"
	command.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("iptables %s: %w: %s", strings.Join(arguments, " "), err, output)
	}
	return nil
}

func accept(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go pass(client.(*net.TCPConn))
	}
}

func pass(client *net.TCPConn) {
	defer client.Close()
	upstream, err := net.Dial("tcp4", simulatorAddress)
	if err != nil {
		log.Print(err)
		return
	}
	defer upstream.Close()
	host, _, _ := net.SplitHostPort(client.RemoteAddr().String())
	if err := json.NewEncoder(upstream).Encode(preamble{Client: host, Args: os.Args[1:]}); err != nil {
		log.Print(err)
		return
	}
	done := make(chan struct{}, 2)
	copyOneWay := func(to, from *net.TCPConn) {
		// An error here is one of the two sides hanging up: the other is told by closing its half.
		_, _ = io.Copy(to, from)
		_ = to.CloseWrite()
		done <- struct{}{}
	}
	go copyOneWay(upstream.(*net.TCPConn), client)
	go copyOneWay(client, upstream.(*net.TCPConn))
	<-done
	<-done
}
