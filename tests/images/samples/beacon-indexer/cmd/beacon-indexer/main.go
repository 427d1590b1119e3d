// Command beacon-indexer is a sample with the indexer's subcommands, health port and SIGTERM handler.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sync/errgroup"
)

func main() {
	var err error
	switch command := strings.Join(os.Args[1:], " "); command {
	case "load realtime", "load backfill", "transform run --continuous":
		err = run(command)
	case "migrate":
		err = migrate()
	default:
		fmt.Println("usage: beacon-indexer load realtime|load backfill|transform run --continuous|migrate")
	}
	if err != nil {
		log.Fatal(err)
	}
}

func run(command string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	http.HandleFunc("/health", func(http.ResponseWriter, *http.Request) {})
	server := &http.Server{Addr: ":9090"}
	var group errgroup.Group
	group.Go(func() error {
		<-ctx.Done()
		return server.Shutdown(context.Background())
	})
	log.Print(command)
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		return err
	}
	return group.Wait()
}

func migrate() error {
	files, err := filepath.Glob("migrations/*.sql")
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("no migrations/*.sql in the working directory")
	}
	for _, file := range files {
		fmt.Println(file)
	}
	return err
}
