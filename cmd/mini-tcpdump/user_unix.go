//go:build unix

package main

import (
	"fmt"
	"os/user"
	"strconv"
	"syscall"
)

// becomeUser gives up privileges for those of a user, in all threads: what is
// open stays open.
func becomeUser(name string) error {
	u, err := user.Lookup(name)
	if err != nil {
		return fmt.Errorf("-Z %s: %w", name, err)
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	if err1 != nil || err2 != nil {
		return fmt.Errorf("-Z %s: user %s, group %s are no numbers", name, u.Uid, u.Gid)
	}
	groups := []int{gid}
	ids, err := u.GroupIds()
	if err != nil {
		return fmt.Errorf("-Z %s: %w", name, err)
	}
	for _, id := range ids {
		if g, err := strconv.Atoi(id); err == nil && g != gid {
			groups = append(groups, g)
		}
	}
	// The order matters: without the user's privileges, groups cannot be set.
	if err := syscall.Setgroups(groups); err != nil {
		return fmt.Errorf("-Z %s: set the groups: %w", name, err)
	}
	if err := syscall.Setgid(gid); err != nil {
		return fmt.Errorf("-Z %s: set the group: %w", name, err)
	}
	if err := syscall.Setuid(uid); err != nil {
		return fmt.Errorf("-Z %s: set the user: %w", name, err)
	}
	return nil
}
