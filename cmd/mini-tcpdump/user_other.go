//go:build !unix

package main

import "errors"

func becomeUser(string) error { return errors.New("-Z needs Unix") }
