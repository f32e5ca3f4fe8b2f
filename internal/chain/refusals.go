package chain

// refusalTable is what the contracts refuse with, and what that means for whoever sees it. Rows without a hint are
// about calls that zgproxy does not make.
var refusalTable = []struct{ signature, hint string }{
	// The ledger.
	{"LedgerNotExists(address)", "the wallet has no ledger yet; deposit at least the contract's minimum first"},
	{"LedgerExists(address)", "the wallet has a ledger already; deposit into it"},
	{"MinimumDepositRequired(uint256,uint256)", "the amount is below the contract's minimum, which is the second number: " +
		"of a deposit that opens a ledger, of the first transfer to a provider, or of what a refund leaves behind"},
	{"InsufficientAvailableBalance(uint256,uint256)", "the ledger has less left than the transfer takes; deposit more"},
	{"InsufficientBalance(address)", "the ledger has less left than is asked back; ask for less"},
	{"ServiceNotFound(address)", "the ledger knows no service of this name; check ZGPROXY_LEDGER_CONTRACT and ZGPROXY_INFERENCE_CONTRACT"},
	{"ServiceNotRegistered(address)", "the ledger does not know this service; check ZGPROXY_LEDGER_CONTRACT and ZGPROXY_INFERENCE_CONTRACT"},
	{"InvalidServiceType(string)", "the ledger knows no service of this type; check ZGPROXY_LEDGER_CONTRACT"},
	{"CallFailed()", "the ledger's call of the inference contract failed: too little gas, or the provider is the wallet itself"},
	{"TooManyProvidersForService(uint256,uint256)", "the wallet has as many sub-accounts as the contract allows; " +
		"only closing the ledger frees their places"},
	{"TooManyProviders(uint256,uint256)", "too many providers in one call; retrieve from fewer at a time"},
	{"MustWithdrawAllFundsFirst(uint256)", "the ledger still holds money; take it out first"},
	{"ZeroAmountNotAllowed()", "nothing was deposited; send an amount"},
	{"ZeroAddressNotAllowed()", "the recipient is missing"},
	{"AdditionalInfoTooLong(uint256,uint256)", "the note is too long; leave it empty"},
	{"DirectDepositsDisabled()", "the ledger takes deposits only, no plain transfers; nothing was moved"},
	{"TransferFailed()", "the receiver refuses the network's token"},
	{"LedgerLocked()", "the ledger is in the middle of another call; try again"},
	{"NoRecommendedService(string)", "the ledger recommends no service of this type"},

	// The inference contract.
	{"AccountNotExists(address,address)", "there is no sub-account with this provider yet; the first top-up opens it"},
	{"ServiceNotExist(address)", "the provider is not registered, or has left"},
	{"TooManyRefunds(address,address)", "as many refunds as are allowed wait already; wait for one to become free"},
	{"CannotRevokeWithNonZeroBalance(address,address,uint256)", "there is money in the sub-account; retrieve it first"},
	{"LimitTooLarge(uint256,uint256)", "the contract has changed its page size; look for a newer zgproxy"},
	{"BatchSizeTooLarge(uint256,uint256)", "the contract has changed its batch size; look for a newer zgproxy"},
	{"CallerNotLedger(address)", "only the ledger may call this; check ZGPROXY_LEDGER_CONTRACT and ZGPROXY_INFERENCE_CONTRACT"},
	{"ProviderCannotBeUser()", "a wallet cannot be its own provider; take it off ZGPROXY_PROVIDERS"},
	{"InvalidAddress(address)", "this is no provider's address; check ZGPROXY_PROVIDERS"},
	{"AdditionalInfoTooLong()", ""},
	{"InvalidTEESignature(string)", ""},
	{"NoSettlementsProvided()", ""},
	{"TooManySettlements(uint256,uint256)", ""},
	{"InsufficientStake(uint256,uint256)", ""},
	{"CannotAddStakeWhenUpdating()", ""},
	{"LockTimeOutOfRange(uint256,uint256,uint256)", ""},
	{"AlreadyInitialized()", ""},

	// Of contracts that can be paused.
	{"Paused()", paused},
	{"EnforcedPause()", paused},

	// Solidity's own.
	{"Error(string)", ""},
	{"Panic(uint256)", "the contract failed in its own arithmetic"},
}

const paused = "the network's operators have paused the contract; try again later"
