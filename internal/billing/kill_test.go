package billing

const childDir = "ZGPROXY_TEST_CHILD_DIR"

func child(string) int { return 0 }
