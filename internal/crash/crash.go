// Package crash marks the lines at which tests kill the daemon. In an ordinary build its functions do nothing and are
// compiled away; with the build tag crashpoints they read the environment:
//
//	ZGPROXY_CRASH_AT=store/before-commit:2   kill this process with SIGKILL the second time it passes that point
//	ZGPROXY_CRASH_LIST=file                  append the name of every point to that file when it is first passed
//
// It keeps no data and starts nothing. Points are named room or path, a slash, and the moment.
package crash
