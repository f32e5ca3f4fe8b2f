package billing

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"

	"modernc.org/sqlite"
)

// constraint is SQLite's primary result code for a violated constraint. It undoes one statement and leaves the
// transaction alone; any other failure may have undone the transaction.
const constraint = 19

// session is the writer's own connection. It speaks to the driver directly: the pool of database/sql costs more than
// the small statements it would carry. It belongs to one goroutine.
type session struct {
	ctx    context.Context // never ends: a write that has begun is not given up
	conn   driver.Conn
	stmts  statements
	args   []driver.NamedValue // reused by every statement
	damage *damage             // is told what SQLite says
}

func newSession(ctx context.Context, dsn string, d *damage) (*session, error) {
	connector, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, fmt.Errorf("open the spend store: %w", err)
	}
	conn, err := connector.Connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("open the spend store: %w", err)
	}
	return &session{ctx: context.WithoutCancel(ctx), conn: conn, stmts: make(statements), damage: d}, nil
}

// exec runs one statement and returns how many rows it changed. Values are the driver's types: int64, float64, string,
// []byte or nil.
func (s *session) exec(query string, values ...any) (int64, error) {
	res, err := s.run(query, values)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// insert runs one INSERT and returns the new row's key.
func (s *session) insert(query string, values ...any) (int64, error) {
	res, err := s.run(query, values)
	if err != nil {
		return 0, err
	}
	return res.LastInsertId()
}

func (s *session) run(query string, values []any) (driver.Result, error) {
	stmt, err := s.prepare(query)
	if err != nil {
		return nil, err
	}
	res, err := stmt.(driver.StmtExecContext).ExecContext(s.ctx, s.bind(values))
	return res, s.damage.notice(err)
}

// pragma runs a PRAGMA that takes effect while it is compiled, so a prepared one would take effect once only.
func (s *session) pragma(query string) error {
	_, err := s.conn.(driver.ExecerContext).ExecContext(s.ctx, query, nil)
	return s.damage.notice(err)
}

// query runs a SELECT and hands every row to each. The slice is valid during the call only.
func (s *session) query(query string, each func(row []driver.Value) error, values ...any) (err error) {
	stmt, err := s.prepare(query)
	if err != nil {
		return err
	}
	rows, err := stmt.(driver.StmtQueryContext).QueryContext(s.ctx, s.bind(values))
	if err != nil {
		return s.damage.notice(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	row := make([]driver.Value, len(rows.Columns()))
	for {
		switch err := rows.Next(row); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return s.damage.notice(err)
		}
		if err := each(row); err != nil {
			return err
		}
	}
}

func (s *session) prepare(query string) (driver.Stmt, error) {
	stmt, err := s.stmts.of(s.conn, query)
	return stmt, s.damage.notice(err)
}

func (s *session) bind(values []any) []driver.NamedValue {
	s.args = s.args[:0]
	for i, v := range values {
		s.args = append(s.args, driver.NamedValue{Ordinal: i + 1, Value: v})
	}
	return s.args
}

func (s *session) close() error { return errors.Join(s.stmts.close(), s.conn.Close()) }

// statements are what a connection keeps compiled, by their text: compiling takes longer than most answers.
type statements map[string]driver.Stmt

// of compiles a query for the connection, once.
func (s statements) of(conn driver.Conn, query string) (driver.Stmt, error) {
	if stmt, ok := s[query]; ok {
		return stmt, nil
	}
	stmt, err := conn.Prepare(query)
	if err != nil {
		return nil, err
	}
	s[query] = stmt
	return stmt, nil
}

func (s statements) close() error {
	var errs []error
	for _, stmt := range s {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(errs...)
}

// violates reports that a statement failed by its own fault, with the transaction around it intact.
func violates(err error) bool {
	if err == nil {
		return false // without the cost of looking
	}
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == constraint
}
