package billing

import (
	"database/sql/driver"
	"fmt"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// undoneAtMost is how many of a provider's last debits a reorganisation may have undone.
const undoneAtMost = 100

// counted is a debit on record.
type counted struct {
	tx     string
	index  int64
	amount zg.Neuron
}

// markUndone marks the debits that a reorganisation undid when so much came back: the newest ones, or a single one,
// that come to exactly that. What is marked counts again when its transaction is mined again, as it usually is;
// otherwise the allowance for it would never be used up, and would hide as much of a theft. Where nothing comes to
// exactly that, nothing is marked.
func (m *matching) markUndone(amount zg.Neuron) error {
	if amount.IsZero() {
		return nil
	}
	var last []counted
	err := m.db.query(`SELECT tx, log_index, amount FROM settlements WHERE provider = ? AND undone = 0
		ORDER BY block DESC, log_index DESC LIMIT ?`, func(row []driver.Value) error {
		var c counted
		c.tx, _ = row[0].(string)
		c.index, _ = row[1].(int64)
		err := c.amount.Scan(row[2])
		last = append(last, c)
		return err
	}, m.provider.Hex(), int64(undoneAtMost))
	if err != nil {
		return fmt.Errorf("look for the debits that were undone: %w", err)
	}
	for _, c := range comingTo(last, amount) {
		_, err := m.db.exec(`UPDATE settlements SET undone = 1 WHERE tx = ? AND log_index = ?`, c.tx, c.index)
		if err != nil {
			return fmt.Errorf("record that a debit was undone: %w", err)
		}
	}
	return nil
}

// comingTo are the first of the debits that come to an amount, or else the first single one that does.
func comingTo(last []counted, amount zg.Neuron) []counted {
	var sum zg.Neuron
	for i, c := range last {
		if sum = sum.Add(c.amount); sum == amount {
			return last[:i+1]
		}
	}
	for i, c := range last {
		if c.amount == amount {
			return last[i : i+1]
		}
	}
	return nil
}
