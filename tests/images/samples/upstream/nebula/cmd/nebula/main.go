// Command nebula is a sample that runs until SIGTERM and serves /health, which `nebula health`
// requests. It uses a C string to require cgo and a compatible C library, like the crawler.
package main

// #include <stdlib.h>
// #include <string.h>
import "C"

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"unsafe"
)

func main() {
	port := os.Getenv("NEBULA_METRICS_PORT")
	switch {
	case len(os.Args) == 2 && os.Args[1] == "crawl":
		crawl(port)
	case len(os.Args) == 2 && os.Args[1] == "health":
		health(port)
	default:
		fmt.Println("usage: nebula crawl|health")
	}
}

func crawl(port string) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	peer := C.CString("peer")
	defer C.free(unsafe.Pointer(peer))
	http.HandleFunc("/health", func(http.ResponseWriter, *http.Request) {})
	go func() { log.Fatal(http.ListenAndServe(":"+port, nil)) }()
	log.Printf("crawling with a %d byte key", C.strlen(peer))
	<-ctx.Done()
}

func health(port string) {
	answer, err := http.Get("http://localhost:" + port + "/health")
	if err != nil {
		log.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK {
		log.Fatal(answer.Status)
	}
}
