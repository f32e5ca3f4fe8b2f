package billing

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"

	"modernc.org/sqlite"
)

// openWatched opens a pool of connections to a store whose every answer is looked at for damage.
func openWatched(name string, d *damage) (*sql.DB, error) {
	connector, err := sqlite.NewConnector(name)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(&watched{connector, d}), nil
}

// watched makes connections that tell of damage.
type watched struct {
	driver.Connector
	damage *damage
}

func (w *watched) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := w.Connector.Connect(ctx)
	if err != nil {
		return nil, w.damage.notice(err)
	}
	return &watchedConn{Conn: c, damage: w.damage, stmts: make(statements)}, nil
}

// mostStmts is how many statements a reader's connection keeps compiled. A look at the accounts asks some twenty
// questions, the same ones every time; those of commands are put together from what is asked for.
const mostStmts = 64

// watchedConn passes on what the store's readers use of a connection: they prepare nothing and begin no transactions.
type watchedConn struct {
	driver.Conn
	damage *damage
	stmts  statements
}

func (c *watchedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := c.query(ctx, query, args)
	if err != nil {
		return nil, c.damage.notice(err)
	}
	return &watchedRows{rows, c.damage}, nil
}

func (c *watchedConn) query(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if _, kept := c.stmts[query]; !kept && len(c.stmts) == mostStmts {
		return c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
	}
	stmt, err := c.stmts.of(c.Conn, query)
	if err != nil {
		return nil, err
	}
	return stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
}

// Close ends the connection and what it keeps compiled.
func (c *watchedConn) Close() error { return errors.Join(c.stmts.close(), c.Conn.Close()) }

func (c *watchedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	res, err := c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
	return res, c.damage.notice(err)
}

func (c *watchedConn) ResetSession(ctx context.Context) error {
	return c.Conn.(driver.SessionResetter).ResetSession(ctx)
}

func (c *watchedConn) IsValid() bool { return c.Conn.(driver.Validator).IsValid() }

// watchedRows are the rows of one answer.
type watchedRows struct {
	driver.Rows
	damage *damage
}

func (r *watchedRows) Next(row []driver.Value) error { return r.damage.notice(r.Rows.Next(row)) }
