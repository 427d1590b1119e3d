// Command nebula crawls until SIGTERM and answers /health; `nebula health` asks that. The length of a
// C string is there to need what the crawler needs: cgo, and a C library that fits.
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
