// Reads one connection's bytes from standard input with go-syslog and prints a line of JSON per message. Any message or frame
// that it refuses ends the program.
//
// usage: go-syslog 5424|3164 octet|lf
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/leodido/go-syslog/v4"
	"github.com/leodido/go-syslog/v4/nontransparent"
	"github.com/leodido/go-syslog/v4/octetcounting"
	"github.com/leodido/go-syslog/v4/rfc3164"
	"github.com/leodido/go-syslog/v4/rfc5424"
)

type message struct {
	Priority       *uint8                        `json:"priority"`
	Timestamp      *time.Time                    `json:"timestamp"`
	Hostname       *string                       `json:"hostname"`
	Appname        *string                       `json:"appname"`
	StructuredData *map[string]map[string]string `json:"structuredData,omitempty"`
	Message        *string                       `json:"message"`
}

func main() {
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	listener := syslog.WithListener(func(result *syslog.Result) {
		if result.Error != nil || result.Message == nil {
			fmt.Fprintln(os.Stderr, "refused:", result.Error)
			os.Exit(1)
		}
		if err := out.Encode(read(result.Message)); err != nil {
			panic(err)
		}
	})
	parserFor(os.Args[1], os.Args[2], listener).Parse(os.Stdin)
}

func parserFor(header, framing string, listener syslog.ParserOption) interface{ Parse(r io.Reader) } {
	// Its own limit of 8192 bytes is that of a message with its header.
	switch header + " " + framing {
	case "5424 octet":
		return octetcounting.NewParser(listener, syslog.WithMaxMessageLength(65536))
	case "5424 lf":
		return nontransparent.NewParser(listener)
	case "3164 octet":
		return octetcounting.NewParserRFC3164(listener, syslog.WithMaxMessageLength(65536))
	default:
		return nontransparent.NewParserRFC3164(listener)
	}
}

func read(parsed syslog.Message) message {
	switch m := parsed.(type) {
	case *rfc5424.SyslogMessage:
		return message{m.Priority, m.Timestamp, m.Hostname, m.Appname, m.StructuredData, m.Message}
	case *rfc3164.SyslogMessage:
		return message{m.Priority, m.Timestamp, m.Hostname, m.Appname, nil, m.Message}
	}
	panic("a message of another kind")
}
