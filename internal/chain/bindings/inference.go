// Code generated via abigen V2 - DO NOT EDIT.
// This file is a generated binding and any manual changes will be lost.

package bindings

import (
	"bytes"
	"errors"
	"math/big"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/accounts/abi/bind/v2"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// Reference imports to suppress errors if they are not otherwise used.
var (
	_ = bytes.Equal
	_ = errors.New
	_ = big.NewInt
	_ = common.Big1
	_ = types.BloomLookup
	_ = abi.ConvertType
)

// Account is an auto generated low-level Go binding around an user-defined struct.
type Account struct {
	User               common.Address
	Provider           common.Address
	Nonce              *big.Int
	Balance            *big.Int
	PendingRefund      *big.Int
	Refunds            []Refund
	AdditionalInfo     string
	Acknowledged       bool
	ValidRefundsLength *big.Int
	Generation         *big.Int
	RevokedBitmap      *big.Int
}

// Refund is an auto generated low-level Go binding around an user-defined struct.
type Refund struct {
	Index     *big.Int
	Amount    *big.Int
	CreatedAt *big.Int
	Processed bool
}

// Service is an auto generated low-level Go binding around an user-defined struct.
type Service struct {
	Provider              common.Address
	ServiceType           string
	Url                   string
	InputPrice            *big.Int
	OutputPrice           *big.Int
	UpdatedAt             *big.Int
	Model                 string
	Verifiability         string
	AdditionalInfo        string
	TeeSignerAddress      common.Address
	TeeSignerAcknowledged bool
}

// ServiceParams is an auto generated low-level Go binding around an user-defined struct.
type ServiceParams struct {
	ServiceType      string
	Url              string
	Model            string
	Verifiability    string
	InputPrice       *big.Int
	OutputPrice      *big.Int
	AdditionalInfo   string
	TeeSignerAddress common.Address
}

// TEESettlementData is an auto generated low-level Go binding around an user-defined struct.
type TEESettlementData struct {
	User         common.Address
	Provider     common.Address
	TotalFee     *big.Int
	RequestsHash [32]byte
	Nonce        *big.Int
	Signature    []byte
}

// InferenceServingMetaData contains all meta data concerning the InferenceServing contract.
var InferenceServingMetaData = bind.MetaData{
	ABI: "[{\"inputs\":[{\"internalType\":\"address\",\"name\":\"user\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"}],\"name\":\"AccountNotExists\",\"type\":\"error\"},{\"inputs\":[],\"name\":\"AdditionalInfoTooLong\",\"type\":\"error\"},{\"inputs\":[],\"name\":\"AlreadyInitialized\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"uint256\",\"name\":\"size\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"max\",\"type\":\"uint256\"}],\"name\":\"BatchSizeTooLarge\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"caller\",\"type\":\"address\"}],\"name\":\"CallerNotLedger\",\"type\":\"error\"},{\"inputs\":[],\"name\":\"CannotAddStakeWhenUpdating\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"user\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"internalType\":\"uint256\",\"name\":\"balance\",\"type\":\"uint256\"}],\"name\":\"CannotRevokeWithNonZeroBalance\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"uint256\",\"name\":\"provided\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"required\",\"type\":\"uint256\"}],\"name\":\"InsufficientStake\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"addr\",\"type\":\"address\"}],\"name\":\"InvalidAddress\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"uint256\",\"name\":\"limit\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"max\",\"type\":\"uint256\"}],\"name\":\"LimitTooLarge\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"uint256\",\"name\":\"lockTime\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"min\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"max\",\"type\":\"uint256\"}],\"name\":\"LockTimeOutOfRange\",\"type\":\"error\"},{\"inputs\":[],\"name\":\"NoSettlementsProvided\",\"type\":\"error\"},{\"inputs\":[],\"name\":\"ProviderCannotBeUser\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"}],\"name\":\"ServiceNotExist\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"user\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"}],\"name\":\"TooManyRefunds\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"uint256\",\"name\":\"count\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"max\",\"type\":\"uint256\"}],\"name\":\"TooManySettlements\",\"type\":\"error\"},{\"inputs\":[],\"name\":\"TransferFailed\",\"type\":\"error\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"user\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"uint256\",\"name\":\"refundedAmount\",\"type\":\"uint256\"}],\"name\":\"AccountDeleted\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"user\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"uint256\",\"name\":\"newGeneration\",\"type\":\"uint256\"}],\"name\":\"AllTokensRevoked\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"user\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"uint256\",\"name\":\"amount\",\"type\":\"uint256\"},{\"indexed\":false,\"internalType\":\"uint256\",\"name\":\"pendingRefund\",\"type\":\"uint256\"}],\"name\":\"BalanceUpdated\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":false,\"internalType\":\"uint256\",\"name\":\"oldLockTime\",\"type\":\"uint256\"},{\"indexed\":false,\"internalType\":\"uint256\",\"name\":\"newLockTime\",\"type\":\"uint256\"}],\"name\":\"LockTimeUpdated\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"uint256\",\"name\":\"amount\",\"type\":\"uint256\"}],\"name\":\"ProviderStakeReturned\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"uint256\",\"name\":\"amount\",\"type\":\"uint256\"}],\"name\":\"ProviderStaked\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"teeSigner\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"bool\",\"name\":\"acknowledged\",\"type\":\"bool\"}],\"name\":\"ProviderTEESignerAcknowledged\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"user\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"uint256\",\"name\":\"index\",\"type\":\"uint256\"},{\"indexed\":false,\"internalType\":\"uint256\",\"name\":\"timestamp\",\"type\":\"uint256\"}],\"name\":\"RefundRequested\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"service\",\"type\":\"address\"}],\"name\":\"ServiceRemoved\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"service\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"string\",\"name\":\"serviceType\",\"type\":\"string\"},{\"indexed\":false,\"internalType\":\"string\",\"name\":\"url\",\"type\":\"string\"},{\"indexed\":false,\"internalType\":\"uint256\",\"name\":\"inputPrice\",\"type\":\"uint256\"},{\"indexed\":false,\"internalType\":\"uint256\",\"name\":\"outputPrice\",\"type\":\"uint256\"},{\"indexed\":false,\"internalType\":\"uint256\",\"name\":\"updatedAt\",\"type\":\"uint256\"},{\"indexed\":false,\"internalType\":\"string\",\"name\":\"model\",\"type\":\"string\"},{\"indexed\":false,\"internalType\":\"string\",\"name\":\"verifiability\",\"type\":\"string\"}],\"name\":\"ServiceUpdated\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"user\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"uint8\",\"name\":\"status\",\"type\":\"uint8\"},{\"indexed\":false,\"internalType\":\"uint256\",\"name\":\"unsettledAmount\",\"type\":\"uint256\"}],\"name\":\"TEESettlementResult\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"user\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"uint8\",\"name\":\"tokenId\",\"type\":\"uint8\"}],\"name\":\"TokenRevoked\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"user\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"uint8[]\",\"name\":\"tokenIds\",\"type\":\"uint8[]\"}],\"name\":\"TokensRevoked\",\"type\":\"event\"},{\"inputs\":[],\"name\":\"MAX_ADDITIONAL_INFO_LENGTH\",\"outputs\":[{\"internalType\":\"uint256\",\"name\":\"\",\"type\":\"uint256\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"MAX_LOCKTIME\",\"outputs\":[{\"internalType\":\"uint256\",\"name\":\"\",\"type\":\"uint256\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"MIN_LOCKTIME\",\"outputs\":[{\"internalType\":\"uint256\",\"name\":\"\",\"type\":\"uint256\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"MIN_PROVIDER_STAKE\",\"outputs\":[{\"internalType\":\"uint256\",\"name\":\"\",\"type\":\"uint256\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"user\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"}],\"name\":\"accountExists\",\"outputs\":[{\"internalType\":\"bool\",\"name\":\"\",\"type\":\"bool\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"internalType\":\"bool\",\"name\":\"acknowledged\",\"type\":\"bool\"}],\"name\":\"acknowledgeTEESigner\",\"outputs\":[],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"}],\"name\":\"acknowledgeTEESignerByOwner\",\"outputs\":[],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"user\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"internalType\":\"string\",\"name\":\"additionalInfo\",\"type\":\"string\"}],\"name\":\"addAccount\",\"outputs\":[{\"internalType\":\"uint256\",\"name\":\"\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"\",\"type\":\"uint256\"}],\"stateMutability\":\"payable\",\"type\":\"function\"},{\"inputs\":[{\"components\":[{\"internalType\":\"string\",\"name\":\"serviceType\",\"type\":\"string\"},{\"internalType\":\"string\",\"name\":\"url\",\"type\":\"string\"},{\"internalType\":\"string\",\"name\":\"model\",\"type\":\"string\"},{\"internalType\":\"string\",\"name\":\"verifiability\",\"type\":\"string\"},{\"internalType\":\"uint256\",\"name\":\"inputPrice\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"outputPrice\",\"type\":\"uint256\"},{\"internalType\":\"string\",\"name\":\"additionalInfo\",\"type\":\"string\"},{\"internalType\":\"address\",\"name\":\"teeSignerAddress\",\"type\":\"address\"}],\"internalType\":\"structServiceParams\",\"name\":\"p\",\"type\":\"tuple\"}],\"name\":\"addOrUpdateService\",\"outputs\":[],\"stateMutability\":\"payable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"user\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"}],\"name\":\"deleteAccount\",\"outputs\":[],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"user\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"internalType\":\"uint256\",\"name\":\"cancelRetrievingAmount\",\"type\":\"uint256\"}],\"name\":\"depositFund\",\"outputs\":[],\"stateMutability\":\"payable\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"domainSeparator\",\"outputs\":[{\"internalType\":\"bytes32\",\"name\":\"\",\"type\":\"bytes32\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"user\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"}],\"name\":\"getAccount\",\"outputs\":[{\"components\":[{\"internalType\":\"address\",\"name\":\"user\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"internalType\":\"uint256\",\"name\":\"nonce\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"balance\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"pendingRefund\",\"type\":\"uint256\"},{\"components\":[{\"internalType\":\"uint256\",\"name\":\"index\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"amount\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"createdAt\",\"type\":\"uint256\"},{\"internalType\":\"bool\",\"name\":\"processed\",\"type\":\"bool\"}],\"internalType\":\"structRefund[]\",\"name\":\"refunds\",\"type\":\"tuple[]\"},{\"internalType\":\"string\",\"name\":\"additionalInfo\",\"type\":\"string\"},{\"internalType\":\"bool\",\"name\":\"acknowledged\",\"type\":\"bool\"},{\"internalType\":\"uint256\",\"name\":\"validRefundsLength\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"generation\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"revokedBitmap\",\"type\":\"uint256\"}],\"internalType\":\"structAccount\",\"name\":\"\",\"type\":\"tuple\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"internalType\":\"uint256\",\"name\":\"offset\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"limit\",\"type\":\"uint256\"}],\"name\":\"getAccountsByProvider\",\"outputs\":[{\"components\":[{\"internalType\":\"address\",\"name\":\"user\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"internalType\":\"uint256\",\"name\":\"nonce\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"balance\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"pendingRefund\",\"type\":\"uint256\"},{\"components\":[{\"internalType\":\"uint256\",\"name\":\"index\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"amount\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"createdAt\",\"type\":\"uint256\"},{\"internalType\":\"bool\",\"name\":\"processed\",\"type\":\"bool\"}],\"internalType\":\"structRefund[]\",\"name\":\"refunds\",\"type\":\"tuple[]\"},{\"internalType\":\"string\",\"name\":\"additionalInfo\",\"type\":\"string\"},{\"internalType\":\"bool\",\"name\":\"acknowledged\",\"type\":\"bool\"},{\"internalType\":\"uint256\",\"name\":\"validRefundsLength\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"generation\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"revokedBitmap\",\"type\":\"uint256\"}],\"internalType\":\"structAccount[]\",\"name\":\"accounts\",\"type\":\"tuple[]\"},{\"internalType\":\"uint256\",\"name\":\"total\",\"type\":\"uint256\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"user\",\"type\":\"address\"},{\"internalType\":\"uint256\",\"name\":\"offset\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"limit\",\"type\":\"uint256\"}],\"name\":\"getAccountsByUser\",\"outputs\":[{\"components\":[{\"internalType\":\"address\",\"name\":\"user\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"internalType\":\"uint256\",\"name\":\"nonce\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"balance\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"pendingRefund\",\"type\":\"uint256\"},{\"components\":[{\"internalType\":\"uint256\",\"name\":\"index\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"amount\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"createdAt\",\"type\":\"uint256\"},{\"internalType\":\"bool\",\"name\":\"processed\",\"type\":\"bool\"}],\"internalType\":\"structRefund[]\",\"name\":\"refunds\",\"type\":\"tuple[]\"},{\"internalType\":\"string\",\"name\":\"additionalInfo\",\"type\":\"string\"},{\"internalType\":\"bool\",\"name\":\"acknowledged\",\"type\":\"bool\"},{\"internalType\":\"uint256\",\"name\":\"validRefundsLength\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"generation\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"revokedBitmap\",\"type\":\"uint256\"}],\"internalType\":\"structAccount[]\",\"name\":\"accounts\",\"type\":\"tuple[]\"},{\"internalType\":\"uint256\",\"name\":\"total\",\"type\":\"uint256\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"uint256\",\"name\":\"offset\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"limit\",\"type\":\"uint256\"}],\"name\":\"getAllAccounts\",\"outputs\":[{\"components\":[{\"internalType\":\"address\",\"name\":\"user\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"internalType\":\"uint256\",\"name\":\"nonce\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"balance\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"pendingRefund\",\"type\":\"uint256\"},{\"components\":[{\"internalType\":\"uint256\",\"name\":\"index\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"amount\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"createdAt\",\"type\":\"uint256\"},{\"internalType\":\"bool\",\"name\":\"processed\",\"type\":\"bool\"}],\"internalType\":\"structRefund[]\",\"name\":\"refunds\",\"type\":\"tuple[]\"},{\"internalType\":\"string\",\"name\":\"additionalInfo\",\"type\":\"string\"},{\"internalType\":\"bool\",\"name\":\"acknowledged\",\"type\":\"bool\"},{\"internalType\":\"uint256\",\"name\":\"validRefundsLength\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"generation\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"revokedBitmap\",\"type\":\"uint256\"}],\"internalType\":\"structAccount[]\",\"name\":\"accounts\",\"type\":\"tuple[]\"},{\"internalType\":\"uint256\",\"name\":\"total\",\"type\":\"uint256\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"uint256\",\"name\":\"offset\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"limit\",\"type\":\"uint256\"}],\"name\":\"getAllServices\",\"outputs\":[{\"components\":[{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"internalType\":\"string\",\"name\":\"serviceType\",\"type\":\"string\"},{\"internalType\":\"string\",\"name\":\"url\",\"type\":\"string\"},{\"internalType\":\"uint256\",\"name\":\"inputPrice\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"outputPrice\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"updatedAt\",\"type\":\"uint256\"},{\"internalType\":\"string\",\"name\":\"model\",\"type\":\"string\"},{\"internalType\":\"string\",\"name\":\"verifiability\",\"type\":\"string\"},{\"internalType\":\"string\",\"name\":\"additionalInfo\",\"type\":\"string\"},{\"internalType\":\"address\",\"name\":\"teeSignerAddress\",\"type\":\"address\"},{\"internalType\":\"bool\",\"name\":\"teeSignerAcknowledged\",\"type\":\"bool\"}],\"internalType\":\"structService[]\",\"name\":\"services\",\"type\":\"tuple[]\"},{\"internalType\":\"uint256\",\"name\":\"total\",\"type\":\"uint256\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address[]\",\"name\":\"users\",\"type\":\"address[]\"}],\"name\":\"getBatchAccountsByUsers\",\"outputs\":[{\"components\":[{\"internalType\":\"address\",\"name\":\"user\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"internalType\":\"uint256\",\"name\":\"nonce\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"balance\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"pendingRefund\",\"type\":\"uint256\"},{\"components\":[{\"internalType\":\"uint256\",\"name\":\"index\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"amount\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"createdAt\",\"type\":\"uint256\"},{\"internalType\":\"bool\",\"name\":\"processed\",\"type\":\"bool\"}],\"internalType\":\"structRefund[]\",\"name\":\"refunds\",\"type\":\"tuple[]\"},{\"internalType\":\"string\",\"name\":\"additionalInfo\",\"type\":\"string\"},{\"internalType\":\"bool\",\"name\":\"acknowledged\",\"type\":\"bool\"},{\"internalType\":\"uint256\",\"name\":\"validRefundsLength\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"generation\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"revokedBitmap\",\"type\":\"uint256\"}],\"internalType\":\"structAccount[]\",\"name\":\"accounts\",\"type\":\"tuple[]\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"user\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"}],\"name\":\"getPendingRefund\",\"outputs\":[{\"internalType\":\"uint256\",\"name\":\"\",\"type\":\"uint256\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"}],\"name\":\"getService\",\"outputs\":[{\"components\":[{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"internalType\":\"string\",\"name\":\"serviceType\",\"type\":\"string\"},{\"internalType\":\"string\",\"name\":\"url\",\"type\":\"string\"},{\"internalType\":\"uint256\",\"name\":\"inputPrice\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"outputPrice\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"updatedAt\",\"type\":\"uint256\"},{\"internalType\":\"string\",\"name\":\"model\",\"type\":\"string\"},{\"internalType\":\"string\",\"name\":\"verifiability\",\"type\":\"string\"},{\"internalType\":\"string\",\"name\":\"additionalInfo\",\"type\":\"string\"},{\"internalType\":\"address\",\"name\":\"teeSignerAddress\",\"type\":\"address\"},{\"internalType\":\"bool\",\"name\":\"teeSignerAcknowledged\",\"type\":\"bool\"}],\"internalType\":\"structService\",\"name\":\"\",\"type\":\"tuple\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"ledger\",\"type\":\"address\"},{\"internalType\":\"uint256\",\"name\":\"lock\",\"type\":\"uint256\"}],\"name\":\"initialize\",\"outputs\":[],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"user\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"internalType\":\"uint8\",\"name\":\"tokenId\",\"type\":\"uint8\"}],\"name\":\"isTokenRevoked\",\"outputs\":[{\"internalType\":\"bool\",\"name\":\"\",\"type\":\"bool\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"ledgerAddress\",\"outputs\":[{\"internalType\":\"address\",\"name\":\"\",\"type\":\"address\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"lockTime\",\"outputs\":[{\"internalType\":\"uint256\",\"name\":\"\",\"type\":\"uint256\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"owner\",\"outputs\":[{\"internalType\":\"address\",\"name\":\"\",\"type\":\"address\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"components\":[{\"internalType\":\"address\",\"name\":\"user\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"internalType\":\"uint256\",\"name\":\"totalFee\",\"type\":\"uint256\"},{\"internalType\":\"bytes32\",\"name\":\"requestsHash\",\"type\":\"bytes32\"},{\"internalType\":\"uint256\",\"name\":\"nonce\",\"type\":\"uint256\"},{\"internalType\":\"bytes\",\"name\":\"signature\",\"type\":\"bytes\"}],\"internalType\":\"structTEESettlementData[]\",\"name\":\"list\",\"type\":\"tuple[]\"}],\"name\":\"previewSettlementResults\",\"outputs\":[{\"internalType\":\"address[]\",\"name\":\"failedUsers\",\"type\":\"address[]\"},{\"internalType\":\"uint8[]\",\"name\":\"failureReasons\",\"type\":\"uint8[]\"},{\"internalType\":\"address[]\",\"name\":\"partialUsers\",\"type\":\"address[]\"},{\"internalType\":\"uint256[]\",\"name\":\"partialAmounts\",\"type\":\"uint256[]\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"user\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"}],\"name\":\"processRefund\",\"outputs\":[{\"internalType\":\"uint256\",\"name\":\"totalAmount\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"balance\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"pendingRefund\",\"type\":\"uint256\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"removeService\",\"outputs\":[],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"user\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"}],\"name\":\"requestRefundAll\",\"outputs\":[],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"}],\"name\":\"revokeAllTokens\",\"outputs\":[],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"}],\"name\":\"revokeTEESignerAcknowledgement\",\"outputs\":[],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"internalType\":\"uint8\",\"name\":\"tokenId\",\"type\":\"uint8\"}],\"name\":\"revokeToken\",\"outputs\":[],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"internalType\":\"uint8[]\",\"name\":\"tokenIds\",\"type\":\"uint8[]\"}],\"name\":\"revokeTokens\",\"outputs\":[],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"}],\"name\":\"serviceExists\",\"outputs\":[{\"internalType\":\"bool\",\"name\":\"\",\"type\":\"bool\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"components\":[{\"internalType\":\"address\",\"name\":\"user\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"internalType\":\"uint256\",\"name\":\"totalFee\",\"type\":\"uint256\"},{\"internalType\":\"bytes32\",\"name\":\"requestsHash\",\"type\":\"bytes32\"},{\"internalType\":\"uint256\",\"name\":\"nonce\",\"type\":\"uint256\"},{\"internalType\":\"bytes\",\"name\":\"signature\",\"type\":\"bytes\"}],\"internalType\":\"structTEESettlementData[]\",\"name\":\"list\",\"type\":\"tuple[]\"}],\"name\":\"settleFeesWithTEE\",\"outputs\":[{\"internalType\":\"uint8[]\",\"name\":\"statuses\",\"type\":\"uint8[]\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"uint256\",\"name\":\"lock\",\"type\":\"uint256\"}],\"name\":\"updateLockTime\",\"outputs\":[],\"stateMutability\":\"nonpayable\",\"type\":\"function\"}]",
	ID:  "InferenceServing",
}

// InferenceServing is an auto generated Go binding around an Ethereum contract.
type InferenceServing struct {
	abi abi.ABI
}

// GetABI returns the ABI associated with this contract binding.
func (c *InferenceServing) GetABI() abi.ABI {
	return c.abi
}

// NewInferenceServing creates a new instance of InferenceServing.
func NewInferenceServing() *InferenceServing {
	parsed, err := InferenceServingMetaData.ParseABI()
	if err != nil {
		panic(errors.New("invalid ABI: " + err.Error()))
	}
	return &InferenceServing{abi: *parsed}
}

// Instance creates a wrapper for a deployed contract instance at the given address.
// Use this to create the instance object passed to abigen v2 library functions Call, Transact, etc.
func (c *InferenceServing) Instance(backend bind.ContractBackend, addr common.Address) *bind.BoundContract {
	return bind.NewBoundContract(addr, c.abi, backend, backend, backend)
}

// PackMAXADDITIONALINFOLENGTH is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xe374248d.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function MAX_ADDITIONAL_INFO_LENGTH() view returns(uint256)
func (inferenceServing *InferenceServing) PackMAXADDITIONALINFOLENGTH() []byte {
	enc, err := inferenceServing.abi.Pack("MAX_ADDITIONAL_INFO_LENGTH")
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackMAXADDITIONALINFOLENGTH is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xe374248d.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function MAX_ADDITIONAL_INFO_LENGTH() view returns(uint256)
func (inferenceServing *InferenceServing) TryPackMAXADDITIONALINFOLENGTH() ([]byte, error) {
	return inferenceServing.abi.Pack("MAX_ADDITIONAL_INFO_LENGTH")
}

// UnpackMAXADDITIONALINFOLENGTH is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xe374248d.
//
// Solidity: function MAX_ADDITIONAL_INFO_LENGTH() view returns(uint256)
func (inferenceServing *InferenceServing) UnpackMAXADDITIONALINFOLENGTH(data []byte) (*big.Int, error) {
	out, err := inferenceServing.abi.Unpack("MAX_ADDITIONAL_INFO_LENGTH", data)
	if err != nil {
		return new(big.Int), err
	}
	out0 := abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	return out0, nil
}

// PackMAXLOCKTIME is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x3ea527cb.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function MAX_LOCKTIME() view returns(uint256)
func (inferenceServing *InferenceServing) PackMAXLOCKTIME() []byte {
	enc, err := inferenceServing.abi.Pack("MAX_LOCKTIME")
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackMAXLOCKTIME is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x3ea527cb.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function MAX_LOCKTIME() view returns(uint256)
func (inferenceServing *InferenceServing) TryPackMAXLOCKTIME() ([]byte, error) {
	return inferenceServing.abi.Pack("MAX_LOCKTIME")
}

// UnpackMAXLOCKTIME is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x3ea527cb.
//
// Solidity: function MAX_LOCKTIME() view returns(uint256)
func (inferenceServing *InferenceServing) UnpackMAXLOCKTIME(data []byte) (*big.Int, error) {
	out, err := inferenceServing.abi.Unpack("MAX_LOCKTIME", data)
	if err != nil {
		return new(big.Int), err
	}
	out0 := abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	return out0, nil
}

// PackMINLOCKTIME is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xad6dca3f.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function MIN_LOCKTIME() view returns(uint256)
func (inferenceServing *InferenceServing) PackMINLOCKTIME() []byte {
	enc, err := inferenceServing.abi.Pack("MIN_LOCKTIME")
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackMINLOCKTIME is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xad6dca3f.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function MIN_LOCKTIME() view returns(uint256)
func (inferenceServing *InferenceServing) TryPackMINLOCKTIME() ([]byte, error) {
	return inferenceServing.abi.Pack("MIN_LOCKTIME")
}

// UnpackMINLOCKTIME is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xad6dca3f.
//
// Solidity: function MIN_LOCKTIME() view returns(uint256)
func (inferenceServing *InferenceServing) UnpackMINLOCKTIME(data []byte) (*big.Int, error) {
	out, err := inferenceServing.abi.Unpack("MIN_LOCKTIME", data)
	if err != nil {
		return new(big.Int), err
	}
	out0 := abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	return out0, nil
}

// PackMINPROVIDERSTAKE is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x650190e7.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function MIN_PROVIDER_STAKE() view returns(uint256)
func (inferenceServing *InferenceServing) PackMINPROVIDERSTAKE() []byte {
	enc, err := inferenceServing.abi.Pack("MIN_PROVIDER_STAKE")
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackMINPROVIDERSTAKE is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x650190e7.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function MIN_PROVIDER_STAKE() view returns(uint256)
func (inferenceServing *InferenceServing) TryPackMINPROVIDERSTAKE() ([]byte, error) {
	return inferenceServing.abi.Pack("MIN_PROVIDER_STAKE")
}

// UnpackMINPROVIDERSTAKE is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x650190e7.
//
// Solidity: function MIN_PROVIDER_STAKE() view returns(uint256)
func (inferenceServing *InferenceServing) UnpackMINPROVIDERSTAKE(data []byte) (*big.Int, error) {
	out, err := inferenceServing.abi.Unpack("MIN_PROVIDER_STAKE", data)
	if err != nil {
		return new(big.Int), err
	}
	out0 := abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	return out0, nil
}

// PackAccountExists is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x147500e3.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function accountExists(address user, address provider) view returns(bool)
func (inferenceServing *InferenceServing) PackAccountExists(user common.Address, provider common.Address) []byte {
	enc, err := inferenceServing.abi.Pack("accountExists", user, provider)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackAccountExists is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x147500e3.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function accountExists(address user, address provider) view returns(bool)
func (inferenceServing *InferenceServing) TryPackAccountExists(user common.Address, provider common.Address) ([]byte, error) {
	return inferenceServing.abi.Pack("accountExists", user, provider)
}

// UnpackAccountExists is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x147500e3.
//
// Solidity: function accountExists(address user, address provider) view returns(bool)
func (inferenceServing *InferenceServing) UnpackAccountExists(data []byte) (bool, error) {
	out, err := inferenceServing.abi.Unpack("accountExists", data)
	if err != nil {
		return *new(bool), err
	}
	out0 := *abi.ConvertType(out[0], new(bool)).(*bool)
	return out0, nil
}

// PackAcknowledgeTEESigner is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x7ff6fc1c.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function acknowledgeTEESigner(address provider, bool acknowledged) returns()
func (inferenceServing *InferenceServing) PackAcknowledgeTEESigner(provider common.Address, acknowledged bool) []byte {
	enc, err := inferenceServing.abi.Pack("acknowledgeTEESigner", provider, acknowledged)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackAcknowledgeTEESigner is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x7ff6fc1c.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function acknowledgeTEESigner(address provider, bool acknowledged) returns()
func (inferenceServing *InferenceServing) TryPackAcknowledgeTEESigner(provider common.Address, acknowledged bool) ([]byte, error) {
	return inferenceServing.abi.Pack("acknowledgeTEESigner", provider, acknowledged)
}

// PackAcknowledgeTEESignerByOwner is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xb2394d09.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function acknowledgeTEESignerByOwner(address provider) returns()
func (inferenceServing *InferenceServing) PackAcknowledgeTEESignerByOwner(provider common.Address) []byte {
	enc, err := inferenceServing.abi.Pack("acknowledgeTEESignerByOwner", provider)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackAcknowledgeTEESignerByOwner is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xb2394d09.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function acknowledgeTEESignerByOwner(address provider) returns()
func (inferenceServing *InferenceServing) TryPackAcknowledgeTEESignerByOwner(provider common.Address) ([]byte, error) {
	return inferenceServing.abi.Pack("acknowledgeTEESignerByOwner", provider)
}

// PackAddAccount is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xe50688f9.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function addAccount(address user, address provider, string additionalInfo) payable returns(uint256, uint256)
func (inferenceServing *InferenceServing) PackAddAccount(user common.Address, provider common.Address, additionalInfo string) []byte {
	enc, err := inferenceServing.abi.Pack("addAccount", user, provider, additionalInfo)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackAddAccount is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xe50688f9.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function addAccount(address user, address provider, string additionalInfo) payable returns(uint256, uint256)
func (inferenceServing *InferenceServing) TryPackAddAccount(user common.Address, provider common.Address, additionalInfo string) ([]byte, error) {
	return inferenceServing.abi.Pack("addAccount", user, provider, additionalInfo)
}

// AddAccountOutput serves as a container for the return parameters of contract
// method AddAccount.
type AddAccountOutput struct {
	Arg0 *big.Int
	Arg1 *big.Int
}

// UnpackAddAccount is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xe50688f9.
//
// Solidity: function addAccount(address user, address provider, string additionalInfo) payable returns(uint256, uint256)
func (inferenceServing *InferenceServing) UnpackAddAccount(data []byte) (AddAccountOutput, error) {
	out, err := inferenceServing.abi.Unpack("addAccount", data)
	outstruct := new(AddAccountOutput)
	if err != nil {
		return *outstruct, err
	}
	outstruct.Arg0 = abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	outstruct.Arg1 = abi.ConvertType(out[1], new(big.Int)).(*big.Int)
	return *outstruct, nil
}

// PackAddOrUpdateService is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x398c8e4e.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function addOrUpdateService((string,string,string,string,uint256,uint256,string,address) p) payable returns()
func (inferenceServing *InferenceServing) PackAddOrUpdateService(p ServiceParams) []byte {
	enc, err := inferenceServing.abi.Pack("addOrUpdateService", p)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackAddOrUpdateService is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x398c8e4e.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function addOrUpdateService((string,string,string,string,uint256,uint256,string,address) p) payable returns()
func (inferenceServing *InferenceServing) TryPackAddOrUpdateService(p ServiceParams) ([]byte, error) {
	return inferenceServing.abi.Pack("addOrUpdateService", p)
}

// PackDeleteAccount is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x97216725.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function deleteAccount(address user, address provider) returns()
func (inferenceServing *InferenceServing) PackDeleteAccount(user common.Address, provider common.Address) []byte {
	enc, err := inferenceServing.abi.Pack("deleteAccount", user, provider)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackDeleteAccount is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x97216725.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function deleteAccount(address user, address provider) returns()
func (inferenceServing *InferenceServing) TryPackDeleteAccount(user common.Address, provider common.Address) ([]byte, error) {
	return inferenceServing.abi.Pack("deleteAccount", user, provider)
}

// PackDepositFund is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x745e87f7.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function depositFund(address user, address provider, uint256 cancelRetrievingAmount) payable returns()
func (inferenceServing *InferenceServing) PackDepositFund(user common.Address, provider common.Address, cancelRetrievingAmount *big.Int) []byte {
	enc, err := inferenceServing.abi.Pack("depositFund", user, provider, cancelRetrievingAmount)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackDepositFund is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x745e87f7.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function depositFund(address user, address provider, uint256 cancelRetrievingAmount) payable returns()
func (inferenceServing *InferenceServing) TryPackDepositFund(user common.Address, provider common.Address, cancelRetrievingAmount *big.Int) ([]byte, error) {
	return inferenceServing.abi.Pack("depositFund", user, provider, cancelRetrievingAmount)
}

// PackDomainSeparator is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xf698da25.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function domainSeparator() view returns(bytes32)
func (inferenceServing *InferenceServing) PackDomainSeparator() []byte {
	enc, err := inferenceServing.abi.Pack("domainSeparator")
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackDomainSeparator is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xf698da25.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function domainSeparator() view returns(bytes32)
func (inferenceServing *InferenceServing) TryPackDomainSeparator() ([]byte, error) {
	return inferenceServing.abi.Pack("domainSeparator")
}

// UnpackDomainSeparator is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xf698da25.
//
// Solidity: function domainSeparator() view returns(bytes32)
func (inferenceServing *InferenceServing) UnpackDomainSeparator(data []byte) ([32]byte, error) {
	out, err := inferenceServing.abi.Unpack("domainSeparator", data)
	if err != nil {
		return *new([32]byte), err
	}
	out0 := *abi.ConvertType(out[0], new([32]byte)).(*[32]byte)
	return out0, nil
}

// PackGetAccount is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xfd590847.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function getAccount(address user, address provider) view returns((address,address,uint256,uint256,uint256,(uint256,uint256,uint256,bool)[],string,bool,uint256,uint256,uint256))
func (inferenceServing *InferenceServing) PackGetAccount(user common.Address, provider common.Address) []byte {
	enc, err := inferenceServing.abi.Pack("getAccount", user, provider)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackGetAccount is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xfd590847.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function getAccount(address user, address provider) view returns((address,address,uint256,uint256,uint256,(uint256,uint256,uint256,bool)[],string,bool,uint256,uint256,uint256))
func (inferenceServing *InferenceServing) TryPackGetAccount(user common.Address, provider common.Address) ([]byte, error) {
	return inferenceServing.abi.Pack("getAccount", user, provider)
}

// UnpackGetAccount is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xfd590847.
//
// Solidity: function getAccount(address user, address provider) view returns((address,address,uint256,uint256,uint256,(uint256,uint256,uint256,bool)[],string,bool,uint256,uint256,uint256))
func (inferenceServing *InferenceServing) UnpackGetAccount(data []byte) (Account, error) {
	out, err := inferenceServing.abi.Unpack("getAccount", data)
	if err != nil {
		return *new(Account), err
	}
	out0 := *abi.ConvertType(out[0], new(Account)).(*Account)
	return out0, nil
}

// PackGetAccountsByProvider is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x1d73b9f5.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function getAccountsByProvider(address provider, uint256 offset, uint256 limit) view returns((address,address,uint256,uint256,uint256,(uint256,uint256,uint256,bool)[],string,bool,uint256,uint256,uint256)[] accounts, uint256 total)
func (inferenceServing *InferenceServing) PackGetAccountsByProvider(provider common.Address, offset *big.Int, limit *big.Int) []byte {
	enc, err := inferenceServing.abi.Pack("getAccountsByProvider", provider, offset, limit)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackGetAccountsByProvider is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x1d73b9f5.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function getAccountsByProvider(address provider, uint256 offset, uint256 limit) view returns((address,address,uint256,uint256,uint256,(uint256,uint256,uint256,bool)[],string,bool,uint256,uint256,uint256)[] accounts, uint256 total)
func (inferenceServing *InferenceServing) TryPackGetAccountsByProvider(provider common.Address, offset *big.Int, limit *big.Int) ([]byte, error) {
	return inferenceServing.abi.Pack("getAccountsByProvider", provider, offset, limit)
}

// GetAccountsByProviderOutput serves as a container for the return parameters of contract
// method GetAccountsByProvider.
type GetAccountsByProviderOutput struct {
	Accounts []Account
	Total    *big.Int
}

// UnpackGetAccountsByProvider is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x1d73b9f5.
//
// Solidity: function getAccountsByProvider(address provider, uint256 offset, uint256 limit) view returns((address,address,uint256,uint256,uint256,(uint256,uint256,uint256,bool)[],string,bool,uint256,uint256,uint256)[] accounts, uint256 total)
func (inferenceServing *InferenceServing) UnpackGetAccountsByProvider(data []byte) (GetAccountsByProviderOutput, error) {
	out, err := inferenceServing.abi.Unpack("getAccountsByProvider", data)
	outstruct := new(GetAccountsByProviderOutput)
	if err != nil {
		return *outstruct, err
	}
	outstruct.Accounts = *abi.ConvertType(out[0], new([]Account)).(*[]Account)
	outstruct.Total = abi.ConvertType(out[1], new(big.Int)).(*big.Int)
	return *outstruct, nil
}

// PackGetAccountsByUser is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x4fe63f4d.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function getAccountsByUser(address user, uint256 offset, uint256 limit) view returns((address,address,uint256,uint256,uint256,(uint256,uint256,uint256,bool)[],string,bool,uint256,uint256,uint256)[] accounts, uint256 total)
func (inferenceServing *InferenceServing) PackGetAccountsByUser(user common.Address, offset *big.Int, limit *big.Int) []byte {
	enc, err := inferenceServing.abi.Pack("getAccountsByUser", user, offset, limit)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackGetAccountsByUser is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x4fe63f4d.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function getAccountsByUser(address user, uint256 offset, uint256 limit) view returns((address,address,uint256,uint256,uint256,(uint256,uint256,uint256,bool)[],string,bool,uint256,uint256,uint256)[] accounts, uint256 total)
func (inferenceServing *InferenceServing) TryPackGetAccountsByUser(user common.Address, offset *big.Int, limit *big.Int) ([]byte, error) {
	return inferenceServing.abi.Pack("getAccountsByUser", user, offset, limit)
}

// GetAccountsByUserOutput serves as a container for the return parameters of contract
// method GetAccountsByUser.
type GetAccountsByUserOutput struct {
	Accounts []Account
	Total    *big.Int
}

// UnpackGetAccountsByUser is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x4fe63f4d.
//
// Solidity: function getAccountsByUser(address user, uint256 offset, uint256 limit) view returns((address,address,uint256,uint256,uint256,(uint256,uint256,uint256,bool)[],string,bool,uint256,uint256,uint256)[] accounts, uint256 total)
func (inferenceServing *InferenceServing) UnpackGetAccountsByUser(data []byte) (GetAccountsByUserOutput, error) {
	out, err := inferenceServing.abi.Unpack("getAccountsByUser", data)
	outstruct := new(GetAccountsByUserOutput)
	if err != nil {
		return *outstruct, err
	}
	outstruct.Accounts = *abi.ConvertType(out[0], new([]Account)).(*[]Account)
	outstruct.Total = abi.ConvertType(out[1], new(big.Int)).(*big.Int)
	return *outstruct, nil
}

// PackGetAllAccounts is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x5bd7ace2.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function getAllAccounts(uint256 offset, uint256 limit) view returns((address,address,uint256,uint256,uint256,(uint256,uint256,uint256,bool)[],string,bool,uint256,uint256,uint256)[] accounts, uint256 total)
func (inferenceServing *InferenceServing) PackGetAllAccounts(offset *big.Int, limit *big.Int) []byte {
	enc, err := inferenceServing.abi.Pack("getAllAccounts", offset, limit)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackGetAllAccounts is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x5bd7ace2.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function getAllAccounts(uint256 offset, uint256 limit) view returns((address,address,uint256,uint256,uint256,(uint256,uint256,uint256,bool)[],string,bool,uint256,uint256,uint256)[] accounts, uint256 total)
func (inferenceServing *InferenceServing) TryPackGetAllAccounts(offset *big.Int, limit *big.Int) ([]byte, error) {
	return inferenceServing.abi.Pack("getAllAccounts", offset, limit)
}

// GetAllAccountsOutput serves as a container for the return parameters of contract
// method GetAllAccounts.
type GetAllAccountsOutput struct {
	Accounts []Account
	Total    *big.Int
}

// UnpackGetAllAccounts is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x5bd7ace2.
//
// Solidity: function getAllAccounts(uint256 offset, uint256 limit) view returns((address,address,uint256,uint256,uint256,(uint256,uint256,uint256,bool)[],string,bool,uint256,uint256,uint256)[] accounts, uint256 total)
func (inferenceServing *InferenceServing) UnpackGetAllAccounts(data []byte) (GetAllAccountsOutput, error) {
	out, err := inferenceServing.abi.Unpack("getAllAccounts", data)
	outstruct := new(GetAllAccountsOutput)
	if err != nil {
		return *outstruct, err
	}
	outstruct.Accounts = *abi.ConvertType(out[0], new([]Account)).(*[]Account)
	outstruct.Total = abi.ConvertType(out[1], new(big.Int)).(*big.Int)
	return *outstruct, nil
}

// PackGetAllServices is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xa09cfca9.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function getAllServices(uint256 offset, uint256 limit) view returns((address,string,string,uint256,uint256,uint256,string,string,string,address,bool)[] services, uint256 total)
func (inferenceServing *InferenceServing) PackGetAllServices(offset *big.Int, limit *big.Int) []byte {
	enc, err := inferenceServing.abi.Pack("getAllServices", offset, limit)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackGetAllServices is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xa09cfca9.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function getAllServices(uint256 offset, uint256 limit) view returns((address,string,string,uint256,uint256,uint256,string,string,string,address,bool)[] services, uint256 total)
func (inferenceServing *InferenceServing) TryPackGetAllServices(offset *big.Int, limit *big.Int) ([]byte, error) {
	return inferenceServing.abi.Pack("getAllServices", offset, limit)
}

// GetAllServicesOutput serves as a container for the return parameters of contract
// method GetAllServices.
type GetAllServicesOutput struct {
	Services []Service
	Total    *big.Int
}

// UnpackGetAllServices is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xa09cfca9.
//
// Solidity: function getAllServices(uint256 offset, uint256 limit) view returns((address,string,string,uint256,uint256,uint256,string,string,string,address,bool)[] services, uint256 total)
func (inferenceServing *InferenceServing) UnpackGetAllServices(data []byte) (GetAllServicesOutput, error) {
	out, err := inferenceServing.abi.Unpack("getAllServices", data)
	outstruct := new(GetAllServicesOutput)
	if err != nil {
		return *outstruct, err
	}
	outstruct.Services = *abi.ConvertType(out[0], new([]Service)).(*[]Service)
	outstruct.Total = abi.ConvertType(out[1], new(big.Int)).(*big.Int)
	return *outstruct, nil
}

// PackGetBatchAccountsByUsers is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xba16a750.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function getBatchAccountsByUsers(address[] users) view returns((address,address,uint256,uint256,uint256,(uint256,uint256,uint256,bool)[],string,bool,uint256,uint256,uint256)[] accounts)
func (inferenceServing *InferenceServing) PackGetBatchAccountsByUsers(users []common.Address) []byte {
	enc, err := inferenceServing.abi.Pack("getBatchAccountsByUsers", users)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackGetBatchAccountsByUsers is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xba16a750.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function getBatchAccountsByUsers(address[] users) view returns((address,address,uint256,uint256,uint256,(uint256,uint256,uint256,bool)[],string,bool,uint256,uint256,uint256)[] accounts)
func (inferenceServing *InferenceServing) TryPackGetBatchAccountsByUsers(users []common.Address) ([]byte, error) {
	return inferenceServing.abi.Pack("getBatchAccountsByUsers", users)
}

// UnpackGetBatchAccountsByUsers is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xba16a750.
//
// Solidity: function getBatchAccountsByUsers(address[] users) view returns((address,address,uint256,uint256,uint256,(uint256,uint256,uint256,bool)[],string,bool,uint256,uint256,uint256)[] accounts)
func (inferenceServing *InferenceServing) UnpackGetBatchAccountsByUsers(data []byte) ([]Account, error) {
	out, err := inferenceServing.abi.Unpack("getBatchAccountsByUsers", data)
	if err != nil {
		return *new([]Account), err
	}
	out0 := *abi.ConvertType(out[0], new([]Account)).(*[]Account)
	return out0, nil
}

// PackGetPendingRefund is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x264173d6.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function getPendingRefund(address user, address provider) view returns(uint256)
func (inferenceServing *InferenceServing) PackGetPendingRefund(user common.Address, provider common.Address) []byte {
	enc, err := inferenceServing.abi.Pack("getPendingRefund", user, provider)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackGetPendingRefund is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x264173d6.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function getPendingRefund(address user, address provider) view returns(uint256)
func (inferenceServing *InferenceServing) TryPackGetPendingRefund(user common.Address, provider common.Address) ([]byte, error) {
	return inferenceServing.abi.Pack("getPendingRefund", user, provider)
}

// UnpackGetPendingRefund is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x264173d6.
//
// Solidity: function getPendingRefund(address user, address provider) view returns(uint256)
func (inferenceServing *InferenceServing) UnpackGetPendingRefund(data []byte) (*big.Int, error) {
	out, err := inferenceServing.abi.Unpack("getPendingRefund", data)
	if err != nil {
		return new(big.Int), err
	}
	out0 := abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	return out0, nil
}

// PackGetService is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x15a52302.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function getService(address provider) view returns((address,string,string,uint256,uint256,uint256,string,string,string,address,bool))
func (inferenceServing *InferenceServing) PackGetService(provider common.Address) []byte {
	enc, err := inferenceServing.abi.Pack("getService", provider)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackGetService is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x15a52302.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function getService(address provider) view returns((address,string,string,uint256,uint256,uint256,string,string,string,address,bool))
func (inferenceServing *InferenceServing) TryPackGetService(provider common.Address) ([]byte, error) {
	return inferenceServing.abi.Pack("getService", provider)
}

// UnpackGetService is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x15a52302.
//
// Solidity: function getService(address provider) view returns((address,string,string,uint256,uint256,uint256,string,string,string,address,bool))
func (inferenceServing *InferenceServing) UnpackGetService(data []byte) (Service, error) {
	out, err := inferenceServing.abi.Unpack("getService", data)
	if err != nil {
		return *new(Service), err
	}
	out0 := *abi.ConvertType(out[0], new(Service)).(*Service)
	return out0, nil
}

// PackInitialize is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xcd6dc687.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function initialize(address ledger, uint256 lock) returns()
func (inferenceServing *InferenceServing) PackInitialize(ledger common.Address, lock *big.Int) []byte {
	enc, err := inferenceServing.abi.Pack("initialize", ledger, lock)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackInitialize is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xcd6dc687.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function initialize(address ledger, uint256 lock) returns()
func (inferenceServing *InferenceServing) TryPackInitialize(ledger common.Address, lock *big.Int) ([]byte, error) {
	return inferenceServing.abi.Pack("initialize", ledger, lock)
}

// PackIsTokenRevoked is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x405a85e8.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function isTokenRevoked(address user, address provider, uint8 tokenId) view returns(bool)
func (inferenceServing *InferenceServing) PackIsTokenRevoked(user common.Address, provider common.Address, tokenId uint8) []byte {
	enc, err := inferenceServing.abi.Pack("isTokenRevoked", user, provider, tokenId)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackIsTokenRevoked is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x405a85e8.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function isTokenRevoked(address user, address provider, uint8 tokenId) view returns(bool)
func (inferenceServing *InferenceServing) TryPackIsTokenRevoked(user common.Address, provider common.Address, tokenId uint8) ([]byte, error) {
	return inferenceServing.abi.Pack("isTokenRevoked", user, provider, tokenId)
}

// UnpackIsTokenRevoked is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x405a85e8.
//
// Solidity: function isTokenRevoked(address user, address provider, uint8 tokenId) view returns(bool)
func (inferenceServing *InferenceServing) UnpackIsTokenRevoked(data []byte) (bool, error) {
	out, err := inferenceServing.abi.Unpack("isTokenRevoked", data)
	if err != nil {
		return *new(bool), err
	}
	out0 := *abi.ConvertType(out[0], new(bool)).(*bool)
	return out0, nil
}

// PackLedgerAddress is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xd1d20056.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function ledgerAddress() view returns(address)
func (inferenceServing *InferenceServing) PackLedgerAddress() []byte {
	enc, err := inferenceServing.abi.Pack("ledgerAddress")
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackLedgerAddress is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xd1d20056.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function ledgerAddress() view returns(address)
func (inferenceServing *InferenceServing) TryPackLedgerAddress() ([]byte, error) {
	return inferenceServing.abi.Pack("ledgerAddress")
}

// UnpackLedgerAddress is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xd1d20056.
//
// Solidity: function ledgerAddress() view returns(address)
func (inferenceServing *InferenceServing) UnpackLedgerAddress(data []byte) (common.Address, error) {
	out, err := inferenceServing.abi.Unpack("ledgerAddress", data)
	if err != nil {
		return *new(common.Address), err
	}
	out0 := *abi.ConvertType(out[0], new(common.Address)).(*common.Address)
	return out0, nil
}

// PackLockTime is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x0d668087.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function lockTime() view returns(uint256)
func (inferenceServing *InferenceServing) PackLockTime() []byte {
	enc, err := inferenceServing.abi.Pack("lockTime")
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackLockTime is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x0d668087.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function lockTime() view returns(uint256)
func (inferenceServing *InferenceServing) TryPackLockTime() ([]byte, error) {
	return inferenceServing.abi.Pack("lockTime")
}

// UnpackLockTime is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x0d668087.
//
// Solidity: function lockTime() view returns(uint256)
func (inferenceServing *InferenceServing) UnpackLockTime(data []byte) (*big.Int, error) {
	out, err := inferenceServing.abi.Unpack("lockTime", data)
	if err != nil {
		return new(big.Int), err
	}
	out0 := abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	return out0, nil
}

// PackOwner is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x8da5cb5b.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function owner() view returns(address)
func (inferenceServing *InferenceServing) PackOwner() []byte {
	enc, err := inferenceServing.abi.Pack("owner")
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackOwner is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x8da5cb5b.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function owner() view returns(address)
func (inferenceServing *InferenceServing) TryPackOwner() ([]byte, error) {
	return inferenceServing.abi.Pack("owner")
}

// UnpackOwner is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x8da5cb5b.
//
// Solidity: function owner() view returns(address)
func (inferenceServing *InferenceServing) UnpackOwner(data []byte) (common.Address, error) {
	out, err := inferenceServing.abi.Unpack("owner", data)
	if err != nil {
		return *new(common.Address), err
	}
	out0 := *abi.ConvertType(out[0], new(common.Address)).(*common.Address)
	return out0, nil
}

// PackPreviewSettlementResults is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x28b60476.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function previewSettlementResults((address,address,uint256,bytes32,uint256,bytes)[] list) view returns(address[] failedUsers, uint8[] failureReasons, address[] partialUsers, uint256[] partialAmounts)
func (inferenceServing *InferenceServing) PackPreviewSettlementResults(list []TEESettlementData) []byte {
	enc, err := inferenceServing.abi.Pack("previewSettlementResults", list)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackPreviewSettlementResults is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x28b60476.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function previewSettlementResults((address,address,uint256,bytes32,uint256,bytes)[] list) view returns(address[] failedUsers, uint8[] failureReasons, address[] partialUsers, uint256[] partialAmounts)
func (inferenceServing *InferenceServing) TryPackPreviewSettlementResults(list []TEESettlementData) ([]byte, error) {
	return inferenceServing.abi.Pack("previewSettlementResults", list)
}

// PreviewSettlementResultsOutput serves as a container for the return parameters of contract
// method PreviewSettlementResults.
type PreviewSettlementResultsOutput struct {
	FailedUsers    []common.Address
	FailureReasons []uint8
	PartialUsers   []common.Address
	PartialAmounts []*big.Int
}

// UnpackPreviewSettlementResults is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x28b60476.
//
// Solidity: function previewSettlementResults((address,address,uint256,bytes32,uint256,bytes)[] list) view returns(address[] failedUsers, uint8[] failureReasons, address[] partialUsers, uint256[] partialAmounts)
func (inferenceServing *InferenceServing) UnpackPreviewSettlementResults(data []byte) (PreviewSettlementResultsOutput, error) {
	out, err := inferenceServing.abi.Unpack("previewSettlementResults", data)
	outstruct := new(PreviewSettlementResultsOutput)
	if err != nil {
		return *outstruct, err
	}
	outstruct.FailedUsers = *abi.ConvertType(out[0], new([]common.Address)).(*[]common.Address)
	outstruct.FailureReasons = *abi.ConvertType(out[1], new([]uint8)).(*[]uint8)
	outstruct.PartialUsers = *abi.ConvertType(out[2], new([]common.Address)).(*[]common.Address)
	outstruct.PartialAmounts = *abi.ConvertType(out[3], new([]*big.Int)).(*[]*big.Int)
	return *outstruct, nil
}

// PackProcessRefund is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x4e3c4f22.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function processRefund(address user, address provider) returns(uint256 totalAmount, uint256 balance, uint256 pendingRefund)
func (inferenceServing *InferenceServing) PackProcessRefund(user common.Address, provider common.Address) []byte {
	enc, err := inferenceServing.abi.Pack("processRefund", user, provider)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackProcessRefund is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x4e3c4f22.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function processRefund(address user, address provider) returns(uint256 totalAmount, uint256 balance, uint256 pendingRefund)
func (inferenceServing *InferenceServing) TryPackProcessRefund(user common.Address, provider common.Address) ([]byte, error) {
	return inferenceServing.abi.Pack("processRefund", user, provider)
}

// ProcessRefundOutput serves as a container for the return parameters of contract
// method ProcessRefund.
type ProcessRefundOutput struct {
	TotalAmount   *big.Int
	Balance       *big.Int
	PendingRefund *big.Int
}

// UnpackProcessRefund is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x4e3c4f22.
//
// Solidity: function processRefund(address user, address provider) returns(uint256 totalAmount, uint256 balance, uint256 pendingRefund)
func (inferenceServing *InferenceServing) UnpackProcessRefund(data []byte) (ProcessRefundOutput, error) {
	out, err := inferenceServing.abi.Unpack("processRefund", data)
	outstruct := new(ProcessRefundOutput)
	if err != nil {
		return *outstruct, err
	}
	outstruct.TotalAmount = abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	outstruct.Balance = abi.ConvertType(out[1], new(big.Int)).(*big.Int)
	outstruct.PendingRefund = abi.ConvertType(out[2], new(big.Int)).(*big.Int)
	return *outstruct, nil
}

// PackRemoveService is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xbbee42d9.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function removeService() returns()
func (inferenceServing *InferenceServing) PackRemoveService() []byte {
	enc, err := inferenceServing.abi.Pack("removeService")
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackRemoveService is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xbbee42d9.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function removeService() returns()
func (inferenceServing *InferenceServing) TryPackRemoveService() ([]byte, error) {
	return inferenceServing.abi.Pack("removeService")
}

// PackRequestRefundAll is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x6c79158d.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function requestRefundAll(address user, address provider) returns()
func (inferenceServing *InferenceServing) PackRequestRefundAll(user common.Address, provider common.Address) []byte {
	enc, err := inferenceServing.abi.Pack("requestRefundAll", user, provider)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackRequestRefundAll is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x6c79158d.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function requestRefundAll(address user, address provider) returns()
func (inferenceServing *InferenceServing) TryPackRequestRefundAll(user common.Address, provider common.Address) ([]byte, error) {
	return inferenceServing.abi.Pack("requestRefundAll", user, provider)
}

// PackRevokeAllTokens is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xcab33d8f.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function revokeAllTokens(address provider) returns()
func (inferenceServing *InferenceServing) PackRevokeAllTokens(provider common.Address) []byte {
	enc, err := inferenceServing.abi.Pack("revokeAllTokens", provider)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackRevokeAllTokens is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xcab33d8f.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function revokeAllTokens(address provider) returns()
func (inferenceServing *InferenceServing) TryPackRevokeAllTokens(provider common.Address) ([]byte, error) {
	return inferenceServing.abi.Pack("revokeAllTokens", provider)
}

// PackRevokeTEESignerAcknowledgement is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xddf96abd.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function revokeTEESignerAcknowledgement(address provider) returns()
func (inferenceServing *InferenceServing) PackRevokeTEESignerAcknowledgement(provider common.Address) []byte {
	enc, err := inferenceServing.abi.Pack("revokeTEESignerAcknowledgement", provider)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackRevokeTEESignerAcknowledgement is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xddf96abd.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function revokeTEESignerAcknowledgement(address provider) returns()
func (inferenceServing *InferenceServing) TryPackRevokeTEESignerAcknowledgement(provider common.Address) ([]byte, error) {
	return inferenceServing.abi.Pack("revokeTEESignerAcknowledgement", provider)
}

// PackRevokeToken is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x1d07cb97.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function revokeToken(address provider, uint8 tokenId) returns()
func (inferenceServing *InferenceServing) PackRevokeToken(provider common.Address, tokenId uint8) []byte {
	enc, err := inferenceServing.abi.Pack("revokeToken", provider, tokenId)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackRevokeToken is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x1d07cb97.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function revokeToken(address provider, uint8 tokenId) returns()
func (inferenceServing *InferenceServing) TryPackRevokeToken(provider common.Address, tokenId uint8) ([]byte, error) {
	return inferenceServing.abi.Pack("revokeToken", provider, tokenId)
}

// PackRevokeTokens is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x17c30a03.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function revokeTokens(address provider, uint8[] tokenIds) returns()
func (inferenceServing *InferenceServing) PackRevokeTokens(provider common.Address, tokenIds []uint8) []byte {
	enc, err := inferenceServing.abi.Pack("revokeTokens", provider, tokenIds)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackRevokeTokens is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x17c30a03.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function revokeTokens(address provider, uint8[] tokenIds) returns()
func (inferenceServing *InferenceServing) TryPackRevokeTokens(provider common.Address, tokenIds []uint8) ([]byte, error) {
	return inferenceServing.abi.Pack("revokeTokens", provider, tokenIds)
}

// PackServiceExists is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x0a2a8f88.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function serviceExists(address provider) view returns(bool)
func (inferenceServing *InferenceServing) PackServiceExists(provider common.Address) []byte {
	enc, err := inferenceServing.abi.Pack("serviceExists", provider)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackServiceExists is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x0a2a8f88.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function serviceExists(address provider) view returns(bool)
func (inferenceServing *InferenceServing) TryPackServiceExists(provider common.Address) ([]byte, error) {
	return inferenceServing.abi.Pack("serviceExists", provider)
}

// UnpackServiceExists is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x0a2a8f88.
//
// Solidity: function serviceExists(address provider) view returns(bool)
func (inferenceServing *InferenceServing) UnpackServiceExists(data []byte) (bool, error) {
	out, err := inferenceServing.abi.Unpack("serviceExists", data)
	if err != nil {
		return *new(bool), err
	}
	out0 := *abi.ConvertType(out[0], new(bool)).(*bool)
	return out0, nil
}

// PackSettleFeesWithTEE is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x8be74119.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function settleFeesWithTEE((address,address,uint256,bytes32,uint256,bytes)[] list) returns(uint8[] statuses)
func (inferenceServing *InferenceServing) PackSettleFeesWithTEE(list []TEESettlementData) []byte {
	enc, err := inferenceServing.abi.Pack("settleFeesWithTEE", list)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackSettleFeesWithTEE is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x8be74119.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function settleFeesWithTEE((address,address,uint256,bytes32,uint256,bytes)[] list) returns(uint8[] statuses)
func (inferenceServing *InferenceServing) TryPackSettleFeesWithTEE(list []TEESettlementData) ([]byte, error) {
	return inferenceServing.abi.Pack("settleFeesWithTEE", list)
}

// UnpackSettleFeesWithTEE is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x8be74119.
//
// Solidity: function settleFeesWithTEE((address,address,uint256,bytes32,uint256,bytes)[] list) returns(uint8[] statuses)
func (inferenceServing *InferenceServing) UnpackSettleFeesWithTEE(data []byte) ([]uint8, error) {
	out, err := inferenceServing.abi.Unpack("settleFeesWithTEE", data)
	if err != nil {
		return *new([]uint8), err
	}
	out0 := *abi.ConvertType(out[0], new([]uint8)).(*[]uint8)
	return out0, nil
}

// PackUpdateLockTime is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xfbfa4e11.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function updateLockTime(uint256 lock) returns()
func (inferenceServing *InferenceServing) PackUpdateLockTime(lock *big.Int) []byte {
	enc, err := inferenceServing.abi.Pack("updateLockTime", lock)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackUpdateLockTime is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xfbfa4e11.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function updateLockTime(uint256 lock) returns()
func (inferenceServing *InferenceServing) TryPackUpdateLockTime(lock *big.Int) ([]byte, error) {
	return inferenceServing.abi.Pack("updateLockTime", lock)
}

// InferenceServingAccountDeleted represents a AccountDeleted event raised by the InferenceServing contract.
type InferenceServingAccountDeleted struct {
	User           common.Address
	Provider       common.Address
	RefundedAmount *big.Int
	Raw            *types.Log // Blockchain specific contextual infos
}

const InferenceServingAccountDeletedEventName = "AccountDeleted"

// ContractEventName returns the user-defined event name.
func (InferenceServingAccountDeleted) ContractEventName() string {
	return InferenceServingAccountDeletedEventName
}

// UnpackAccountDeletedEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event AccountDeleted(address indexed user, address indexed provider, uint256 refundedAmount)
func (inferenceServing *InferenceServing) UnpackAccountDeletedEvent(log *types.Log) (*InferenceServingAccountDeleted, error) {
	event := "AccountDeleted"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != inferenceServing.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(InferenceServingAccountDeleted)
	if len(log.Data) > 0 {
		if err := inferenceServing.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range inferenceServing.abi.Events[event].Inputs {
		if arg.Indexed {
			indexed = append(indexed, arg)
		}
	}
	if err := abi.ParseTopics(out, indexed, log.Topics[1:]); err != nil {
		return nil, err
	}
	out.Raw = log
	return out, nil
}

// InferenceServingAllTokensRevoked represents a AllTokensRevoked event raised by the InferenceServing contract.
type InferenceServingAllTokensRevoked struct {
	User          common.Address
	Provider      common.Address
	NewGeneration *big.Int
	Raw           *types.Log // Blockchain specific contextual infos
}

const InferenceServingAllTokensRevokedEventName = "AllTokensRevoked"

// ContractEventName returns the user-defined event name.
func (InferenceServingAllTokensRevoked) ContractEventName() string {
	return InferenceServingAllTokensRevokedEventName
}

// UnpackAllTokensRevokedEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event AllTokensRevoked(address indexed user, address indexed provider, uint256 newGeneration)
func (inferenceServing *InferenceServing) UnpackAllTokensRevokedEvent(log *types.Log) (*InferenceServingAllTokensRevoked, error) {
	event := "AllTokensRevoked"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != inferenceServing.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(InferenceServingAllTokensRevoked)
	if len(log.Data) > 0 {
		if err := inferenceServing.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range inferenceServing.abi.Events[event].Inputs {
		if arg.Indexed {
			indexed = append(indexed, arg)
		}
	}
	if err := abi.ParseTopics(out, indexed, log.Topics[1:]); err != nil {
		return nil, err
	}
	out.Raw = log
	return out, nil
}

// InferenceServingBalanceUpdated represents a BalanceUpdated event raised by the InferenceServing contract.
type InferenceServingBalanceUpdated struct {
	User          common.Address
	Provider      common.Address
	Amount        *big.Int
	PendingRefund *big.Int
	Raw           *types.Log // Blockchain specific contextual infos
}

const InferenceServingBalanceUpdatedEventName = "BalanceUpdated"

// ContractEventName returns the user-defined event name.
func (InferenceServingBalanceUpdated) ContractEventName() string {
	return InferenceServingBalanceUpdatedEventName
}

// UnpackBalanceUpdatedEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event BalanceUpdated(address indexed user, address indexed provider, uint256 amount, uint256 pendingRefund)
func (inferenceServing *InferenceServing) UnpackBalanceUpdatedEvent(log *types.Log) (*InferenceServingBalanceUpdated, error) {
	event := "BalanceUpdated"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != inferenceServing.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(InferenceServingBalanceUpdated)
	if len(log.Data) > 0 {
		if err := inferenceServing.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range inferenceServing.abi.Events[event].Inputs {
		if arg.Indexed {
			indexed = append(indexed, arg)
		}
	}
	if err := abi.ParseTopics(out, indexed, log.Topics[1:]); err != nil {
		return nil, err
	}
	out.Raw = log
	return out, nil
}

// InferenceServingLockTimeUpdated represents a LockTimeUpdated event raised by the InferenceServing contract.
type InferenceServingLockTimeUpdated struct {
	OldLockTime *big.Int
	NewLockTime *big.Int
	Raw         *types.Log // Blockchain specific contextual infos
}

const InferenceServingLockTimeUpdatedEventName = "LockTimeUpdated"

// ContractEventName returns the user-defined event name.
func (InferenceServingLockTimeUpdated) ContractEventName() string {
	return InferenceServingLockTimeUpdatedEventName
}

// UnpackLockTimeUpdatedEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event LockTimeUpdated(uint256 oldLockTime, uint256 newLockTime)
func (inferenceServing *InferenceServing) UnpackLockTimeUpdatedEvent(log *types.Log) (*InferenceServingLockTimeUpdated, error) {
	event := "LockTimeUpdated"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != inferenceServing.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(InferenceServingLockTimeUpdated)
	if len(log.Data) > 0 {
		if err := inferenceServing.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range inferenceServing.abi.Events[event].Inputs {
		if arg.Indexed {
			indexed = append(indexed, arg)
		}
	}
	if err := abi.ParseTopics(out, indexed, log.Topics[1:]); err != nil {
		return nil, err
	}
	out.Raw = log
	return out, nil
}

// InferenceServingProviderStakeReturned represents a ProviderStakeReturned event raised by the InferenceServing contract.
type InferenceServingProviderStakeReturned struct {
	Provider common.Address
	Amount   *big.Int
	Raw      *types.Log // Blockchain specific contextual infos
}

const InferenceServingProviderStakeReturnedEventName = "ProviderStakeReturned"

// ContractEventName returns the user-defined event name.
func (InferenceServingProviderStakeReturned) ContractEventName() string {
	return InferenceServingProviderStakeReturnedEventName
}

// UnpackProviderStakeReturnedEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event ProviderStakeReturned(address indexed provider, uint256 amount)
func (inferenceServing *InferenceServing) UnpackProviderStakeReturnedEvent(log *types.Log) (*InferenceServingProviderStakeReturned, error) {
	event := "ProviderStakeReturned"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != inferenceServing.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(InferenceServingProviderStakeReturned)
	if len(log.Data) > 0 {
		if err := inferenceServing.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range inferenceServing.abi.Events[event].Inputs {
		if arg.Indexed {
			indexed = append(indexed, arg)
		}
	}
	if err := abi.ParseTopics(out, indexed, log.Topics[1:]); err != nil {
		return nil, err
	}
	out.Raw = log
	return out, nil
}

// InferenceServingProviderStaked represents a ProviderStaked event raised by the InferenceServing contract.
type InferenceServingProviderStaked struct {
	Provider common.Address
	Amount   *big.Int
	Raw      *types.Log // Blockchain specific contextual infos
}

const InferenceServingProviderStakedEventName = "ProviderStaked"

// ContractEventName returns the user-defined event name.
func (InferenceServingProviderStaked) ContractEventName() string {
	return InferenceServingProviderStakedEventName
}

// UnpackProviderStakedEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event ProviderStaked(address indexed provider, uint256 amount)
func (inferenceServing *InferenceServing) UnpackProviderStakedEvent(log *types.Log) (*InferenceServingProviderStaked, error) {
	event := "ProviderStaked"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != inferenceServing.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(InferenceServingProviderStaked)
	if len(log.Data) > 0 {
		if err := inferenceServing.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range inferenceServing.abi.Events[event].Inputs {
		if arg.Indexed {
			indexed = append(indexed, arg)
		}
	}
	if err := abi.ParseTopics(out, indexed, log.Topics[1:]); err != nil {
		return nil, err
	}
	out.Raw = log
	return out, nil
}

// InferenceServingProviderTEESignerAcknowledged represents a ProviderTEESignerAcknowledged event raised by the InferenceServing contract.
type InferenceServingProviderTEESignerAcknowledged struct {
	Provider     common.Address
	TeeSigner    common.Address
	Acknowledged bool
	Raw          *types.Log // Blockchain specific contextual infos
}

const InferenceServingProviderTEESignerAcknowledgedEventName = "ProviderTEESignerAcknowledged"

// ContractEventName returns the user-defined event name.
func (InferenceServingProviderTEESignerAcknowledged) ContractEventName() string {
	return InferenceServingProviderTEESignerAcknowledgedEventName
}

// UnpackProviderTEESignerAcknowledgedEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event ProviderTEESignerAcknowledged(address indexed provider, address indexed teeSigner, bool acknowledged)
func (inferenceServing *InferenceServing) UnpackProviderTEESignerAcknowledgedEvent(log *types.Log) (*InferenceServingProviderTEESignerAcknowledged, error) {
	event := "ProviderTEESignerAcknowledged"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != inferenceServing.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(InferenceServingProviderTEESignerAcknowledged)
	if len(log.Data) > 0 {
		if err := inferenceServing.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range inferenceServing.abi.Events[event].Inputs {
		if arg.Indexed {
			indexed = append(indexed, arg)
		}
	}
	if err := abi.ParseTopics(out, indexed, log.Topics[1:]); err != nil {
		return nil, err
	}
	out.Raw = log
	return out, nil
}

// InferenceServingRefundRequested represents a RefundRequested event raised by the InferenceServing contract.
type InferenceServingRefundRequested struct {
	User      common.Address
	Provider  common.Address
	Index     *big.Int
	Timestamp *big.Int
	Raw       *types.Log // Blockchain specific contextual infos
}

const InferenceServingRefundRequestedEventName = "RefundRequested"

// ContractEventName returns the user-defined event name.
func (InferenceServingRefundRequested) ContractEventName() string {
	return InferenceServingRefundRequestedEventName
}

// UnpackRefundRequestedEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event RefundRequested(address indexed user, address indexed provider, uint256 indexed index, uint256 timestamp)
func (inferenceServing *InferenceServing) UnpackRefundRequestedEvent(log *types.Log) (*InferenceServingRefundRequested, error) {
	event := "RefundRequested"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != inferenceServing.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(InferenceServingRefundRequested)
	if len(log.Data) > 0 {
		if err := inferenceServing.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range inferenceServing.abi.Events[event].Inputs {
		if arg.Indexed {
			indexed = append(indexed, arg)
		}
	}
	if err := abi.ParseTopics(out, indexed, log.Topics[1:]); err != nil {
		return nil, err
	}
	out.Raw = log
	return out, nil
}

// InferenceServingServiceRemoved represents a ServiceRemoved event raised by the InferenceServing contract.
type InferenceServingServiceRemoved struct {
	Service common.Address
	Raw     *types.Log // Blockchain specific contextual infos
}

const InferenceServingServiceRemovedEventName = "ServiceRemoved"

// ContractEventName returns the user-defined event name.
func (InferenceServingServiceRemoved) ContractEventName() string {
	return InferenceServingServiceRemovedEventName
}

// UnpackServiceRemovedEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event ServiceRemoved(address indexed service)
func (inferenceServing *InferenceServing) UnpackServiceRemovedEvent(log *types.Log) (*InferenceServingServiceRemoved, error) {
	event := "ServiceRemoved"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != inferenceServing.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(InferenceServingServiceRemoved)
	if len(log.Data) > 0 {
		if err := inferenceServing.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range inferenceServing.abi.Events[event].Inputs {
		if arg.Indexed {
			indexed = append(indexed, arg)
		}
	}
	if err := abi.ParseTopics(out, indexed, log.Topics[1:]); err != nil {
		return nil, err
	}
	out.Raw = log
	return out, nil
}

// InferenceServingServiceUpdated represents a ServiceUpdated event raised by the InferenceServing contract.
type InferenceServingServiceUpdated struct {
	Service       common.Address
	ServiceType   string
	Url           string
	InputPrice    *big.Int
	OutputPrice   *big.Int
	UpdatedAt     *big.Int
	Model         string
	Verifiability string
	Raw           *types.Log // Blockchain specific contextual infos
}

const InferenceServingServiceUpdatedEventName = "ServiceUpdated"

// ContractEventName returns the user-defined event name.
func (InferenceServingServiceUpdated) ContractEventName() string {
	return InferenceServingServiceUpdatedEventName
}

// UnpackServiceUpdatedEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event ServiceUpdated(address indexed service, string serviceType, string url, uint256 inputPrice, uint256 outputPrice, uint256 updatedAt, string model, string verifiability)
func (inferenceServing *InferenceServing) UnpackServiceUpdatedEvent(log *types.Log) (*InferenceServingServiceUpdated, error) {
	event := "ServiceUpdated"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != inferenceServing.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(InferenceServingServiceUpdated)
	if len(log.Data) > 0 {
		if err := inferenceServing.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range inferenceServing.abi.Events[event].Inputs {
		if arg.Indexed {
			indexed = append(indexed, arg)
		}
	}
	if err := abi.ParseTopics(out, indexed, log.Topics[1:]); err != nil {
		return nil, err
	}
	out.Raw = log
	return out, nil
}

// InferenceServingTEESettlementResult represents a TEESettlementResult event raised by the InferenceServing contract.
type InferenceServingTEESettlementResult struct {
	User            common.Address
	Status          uint8
	UnsettledAmount *big.Int
	Raw             *types.Log // Blockchain specific contextual infos
}

const InferenceServingTEESettlementResultEventName = "TEESettlementResult"

// ContractEventName returns the user-defined event name.
func (InferenceServingTEESettlementResult) ContractEventName() string {
	return InferenceServingTEESettlementResultEventName
}

// UnpackTEESettlementResultEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event TEESettlementResult(address indexed user, uint8 status, uint256 unsettledAmount)
func (inferenceServing *InferenceServing) UnpackTEESettlementResultEvent(log *types.Log) (*InferenceServingTEESettlementResult, error) {
	event := "TEESettlementResult"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != inferenceServing.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(InferenceServingTEESettlementResult)
	if len(log.Data) > 0 {
		if err := inferenceServing.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range inferenceServing.abi.Events[event].Inputs {
		if arg.Indexed {
			indexed = append(indexed, arg)
		}
	}
	if err := abi.ParseTopics(out, indexed, log.Topics[1:]); err != nil {
		return nil, err
	}
	out.Raw = log
	return out, nil
}

// InferenceServingTokenRevoked represents a TokenRevoked event raised by the InferenceServing contract.
type InferenceServingTokenRevoked struct {
	User     common.Address
	Provider common.Address
	TokenId  uint8
	Raw      *types.Log // Blockchain specific contextual infos
}

const InferenceServingTokenRevokedEventName = "TokenRevoked"

// ContractEventName returns the user-defined event name.
func (InferenceServingTokenRevoked) ContractEventName() string {
	return InferenceServingTokenRevokedEventName
}

// UnpackTokenRevokedEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event TokenRevoked(address indexed user, address indexed provider, uint8 tokenId)
func (inferenceServing *InferenceServing) UnpackTokenRevokedEvent(log *types.Log) (*InferenceServingTokenRevoked, error) {
	event := "TokenRevoked"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != inferenceServing.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(InferenceServingTokenRevoked)
	if len(log.Data) > 0 {
		if err := inferenceServing.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range inferenceServing.abi.Events[event].Inputs {
		if arg.Indexed {
			indexed = append(indexed, arg)
		}
	}
	if err := abi.ParseTopics(out, indexed, log.Topics[1:]); err != nil {
		return nil, err
	}
	out.Raw = log
	return out, nil
}

// InferenceServingTokensRevoked represents a TokensRevoked event raised by the InferenceServing contract.
type InferenceServingTokensRevoked struct {
	User     common.Address
	Provider common.Address
	TokenIds []uint8
	Raw      *types.Log // Blockchain specific contextual infos
}

const InferenceServingTokensRevokedEventName = "TokensRevoked"

// ContractEventName returns the user-defined event name.
func (InferenceServingTokensRevoked) ContractEventName() string {
	return InferenceServingTokensRevokedEventName
}

// UnpackTokensRevokedEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event TokensRevoked(address indexed user, address indexed provider, uint8[] tokenIds)
func (inferenceServing *InferenceServing) UnpackTokensRevokedEvent(log *types.Log) (*InferenceServingTokensRevoked, error) {
	event := "TokensRevoked"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != inferenceServing.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(InferenceServingTokensRevoked)
	if len(log.Data) > 0 {
		if err := inferenceServing.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range inferenceServing.abi.Events[event].Inputs {
		if arg.Indexed {
			indexed = append(indexed, arg)
		}
	}
	if err := abi.ParseTopics(out, indexed, log.Topics[1:]); err != nil {
		return nil, err
	}
	out.Raw = log
	return out, nil
}

// UnpackError attempts to decode the provided error data using user-defined
// error definitions.
func (inferenceServing *InferenceServing) UnpackError(raw []byte) (any, error) {
	if bytes.Equal(raw[:4], inferenceServing.abi.Errors["AccountNotExists"].ID.Bytes()[:4]) {
		return inferenceServing.UnpackAccountNotExistsError(raw[4:])
	}
	if bytes.Equal(raw[:4], inferenceServing.abi.Errors["AdditionalInfoTooLong"].ID.Bytes()[:4]) {
		return inferenceServing.UnpackAdditionalInfoTooLongError(raw[4:])
	}
	if bytes.Equal(raw[:4], inferenceServing.abi.Errors["AlreadyInitialized"].ID.Bytes()[:4]) {
		return inferenceServing.UnpackAlreadyInitializedError(raw[4:])
	}
	if bytes.Equal(raw[:4], inferenceServing.abi.Errors["BatchSizeTooLarge"].ID.Bytes()[:4]) {
		return inferenceServing.UnpackBatchSizeTooLargeError(raw[4:])
	}
	if bytes.Equal(raw[:4], inferenceServing.abi.Errors["CallerNotLedger"].ID.Bytes()[:4]) {
		return inferenceServing.UnpackCallerNotLedgerError(raw[4:])
	}
	if bytes.Equal(raw[:4], inferenceServing.abi.Errors["CannotAddStakeWhenUpdating"].ID.Bytes()[:4]) {
		return inferenceServing.UnpackCannotAddStakeWhenUpdatingError(raw[4:])
	}
	if bytes.Equal(raw[:4], inferenceServing.abi.Errors["CannotRevokeWithNonZeroBalance"].ID.Bytes()[:4]) {
		return inferenceServing.UnpackCannotRevokeWithNonZeroBalanceError(raw[4:])
	}
	if bytes.Equal(raw[:4], inferenceServing.abi.Errors["InsufficientStake"].ID.Bytes()[:4]) {
		return inferenceServing.UnpackInsufficientStakeError(raw[4:])
	}
	if bytes.Equal(raw[:4], inferenceServing.abi.Errors["InvalidAddress"].ID.Bytes()[:4]) {
		return inferenceServing.UnpackInvalidAddressError(raw[4:])
	}
	if bytes.Equal(raw[:4], inferenceServing.abi.Errors["LimitTooLarge"].ID.Bytes()[:4]) {
		return inferenceServing.UnpackLimitTooLargeError(raw[4:])
	}
	if bytes.Equal(raw[:4], inferenceServing.abi.Errors["LockTimeOutOfRange"].ID.Bytes()[:4]) {
		return inferenceServing.UnpackLockTimeOutOfRangeError(raw[4:])
	}
	if bytes.Equal(raw[:4], inferenceServing.abi.Errors["NoSettlementsProvided"].ID.Bytes()[:4]) {
		return inferenceServing.UnpackNoSettlementsProvidedError(raw[4:])
	}
	if bytes.Equal(raw[:4], inferenceServing.abi.Errors["ProviderCannotBeUser"].ID.Bytes()[:4]) {
		return inferenceServing.UnpackProviderCannotBeUserError(raw[4:])
	}
	if bytes.Equal(raw[:4], inferenceServing.abi.Errors["ServiceNotExist"].ID.Bytes()[:4]) {
		return inferenceServing.UnpackServiceNotExistError(raw[4:])
	}
	if bytes.Equal(raw[:4], inferenceServing.abi.Errors["TooManyRefunds"].ID.Bytes()[:4]) {
		return inferenceServing.UnpackTooManyRefundsError(raw[4:])
	}
	if bytes.Equal(raw[:4], inferenceServing.abi.Errors["TooManySettlements"].ID.Bytes()[:4]) {
		return inferenceServing.UnpackTooManySettlementsError(raw[4:])
	}
	if bytes.Equal(raw[:4], inferenceServing.abi.Errors["TransferFailed"].ID.Bytes()[:4]) {
		return inferenceServing.UnpackTransferFailedError(raw[4:])
	}
	return nil, errors.New("Unknown error")
}

// InferenceServingAccountNotExists represents a AccountNotExists error raised by the InferenceServing contract.
type InferenceServingAccountNotExists struct {
	User     common.Address
	Provider common.Address
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error AccountNotExists(address user, address provider)
func InferenceServingAccountNotExistsErrorID() common.Hash {
	return common.HexToHash("0x08ca03acdd86f3c3773e54403ee2a03750b69a24049323f96e6ffeaa365fdc8c")
}

// UnpackAccountNotExistsError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error AccountNotExists(address user, address provider)
func (inferenceServing *InferenceServing) UnpackAccountNotExistsError(raw []byte) (*InferenceServingAccountNotExists, error) {
	out := new(InferenceServingAccountNotExists)
	if err := inferenceServing.abi.UnpackIntoInterface(out, "AccountNotExists", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// InferenceServingAdditionalInfoTooLong represents a AdditionalInfoTooLong error raised by the InferenceServing contract.
type InferenceServingAdditionalInfoTooLong struct {
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error AdditionalInfoTooLong()
func InferenceServingAdditionalInfoTooLongErrorID() common.Hash {
	return common.HexToHash("0xef54fd9d534553178b296bc3b6642b5e25d0066bcac06c284d88404afec92d68")
}

// UnpackAdditionalInfoTooLongError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error AdditionalInfoTooLong()
func (inferenceServing *InferenceServing) UnpackAdditionalInfoTooLongError(raw []byte) (*InferenceServingAdditionalInfoTooLong, error) {
	out := new(InferenceServingAdditionalInfoTooLong)
	if err := inferenceServing.abi.UnpackIntoInterface(out, "AdditionalInfoTooLong", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// InferenceServingAlreadyInitialized represents a AlreadyInitialized error raised by the InferenceServing contract.
type InferenceServingAlreadyInitialized struct {
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error AlreadyInitialized()
func InferenceServingAlreadyInitializedErrorID() common.Hash {
	return common.HexToHash("0x0dc149f07762891dbcea3fe72770f3d63a1863fc54b2f084e8c59ec476996927")
}

// UnpackAlreadyInitializedError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error AlreadyInitialized()
func (inferenceServing *InferenceServing) UnpackAlreadyInitializedError(raw []byte) (*InferenceServingAlreadyInitialized, error) {
	out := new(InferenceServingAlreadyInitialized)
	if err := inferenceServing.abi.UnpackIntoInterface(out, "AlreadyInitialized", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// InferenceServingBatchSizeTooLarge represents a BatchSizeTooLarge error raised by the InferenceServing contract.
type InferenceServingBatchSizeTooLarge struct {
	Size *big.Int
	Max  *big.Int
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error BatchSizeTooLarge(uint256 size, uint256 max)
func InferenceServingBatchSizeTooLargeErrorID() common.Hash {
	return common.HexToHash("0x01df19f6a6d5df1deb24cda413d139ace964ed4a74b0749f4dd260ba22e34a6f")
}

// UnpackBatchSizeTooLargeError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error BatchSizeTooLarge(uint256 size, uint256 max)
func (inferenceServing *InferenceServing) UnpackBatchSizeTooLargeError(raw []byte) (*InferenceServingBatchSizeTooLarge, error) {
	out := new(InferenceServingBatchSizeTooLarge)
	if err := inferenceServing.abi.UnpackIntoInterface(out, "BatchSizeTooLarge", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// InferenceServingCallerNotLedger represents a CallerNotLedger error raised by the InferenceServing contract.
type InferenceServingCallerNotLedger struct {
	Caller common.Address
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error CallerNotLedger(address caller)
func InferenceServingCallerNotLedgerErrorID() common.Hash {
	return common.HexToHash("0x52446b87a1ce3cacf1673091ca6895a87795476ba67c74ce74ac2d712c118446")
}

// UnpackCallerNotLedgerError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error CallerNotLedger(address caller)
func (inferenceServing *InferenceServing) UnpackCallerNotLedgerError(raw []byte) (*InferenceServingCallerNotLedger, error) {
	out := new(InferenceServingCallerNotLedger)
	if err := inferenceServing.abi.UnpackIntoInterface(out, "CallerNotLedger", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// InferenceServingCannotAddStakeWhenUpdating represents a CannotAddStakeWhenUpdating error raised by the InferenceServing contract.
type InferenceServingCannotAddStakeWhenUpdating struct {
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error CannotAddStakeWhenUpdating()
func InferenceServingCannotAddStakeWhenUpdatingErrorID() common.Hash {
	return common.HexToHash("0x96ab6ec5098650652259a13b4c155586c7a21b98c4e0a75987cb37e2fcb9adcf")
}

// UnpackCannotAddStakeWhenUpdatingError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error CannotAddStakeWhenUpdating()
func (inferenceServing *InferenceServing) UnpackCannotAddStakeWhenUpdatingError(raw []byte) (*InferenceServingCannotAddStakeWhenUpdating, error) {
	out := new(InferenceServingCannotAddStakeWhenUpdating)
	if err := inferenceServing.abi.UnpackIntoInterface(out, "CannotAddStakeWhenUpdating", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// InferenceServingCannotRevokeWithNonZeroBalance represents a CannotRevokeWithNonZeroBalance error raised by the InferenceServing contract.
type InferenceServingCannotRevokeWithNonZeroBalance struct {
	User     common.Address
	Provider common.Address
	Balance  *big.Int
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error CannotRevokeWithNonZeroBalance(address user, address provider, uint256 balance)
func InferenceServingCannotRevokeWithNonZeroBalanceErrorID() common.Hash {
	return common.HexToHash("0xfaa238771c28308593fc75249bb51dee35235d0f75e252a90f47b1f5a7f621d4")
}

// UnpackCannotRevokeWithNonZeroBalanceError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error CannotRevokeWithNonZeroBalance(address user, address provider, uint256 balance)
func (inferenceServing *InferenceServing) UnpackCannotRevokeWithNonZeroBalanceError(raw []byte) (*InferenceServingCannotRevokeWithNonZeroBalance, error) {
	out := new(InferenceServingCannotRevokeWithNonZeroBalance)
	if err := inferenceServing.abi.UnpackIntoInterface(out, "CannotRevokeWithNonZeroBalance", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// InferenceServingInsufficientStake represents a InsufficientStake error raised by the InferenceServing contract.
type InferenceServingInsufficientStake struct {
	Provided *big.Int
	Required *big.Int
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error InsufficientStake(uint256 provided, uint256 required)
func InferenceServingInsufficientStakeErrorID() common.Hash {
	return common.HexToHash("0x45be0a261a88f9fedc41221879f08865d5e8d6053c877967e6e8e39e5697e6d5")
}

// UnpackInsufficientStakeError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error InsufficientStake(uint256 provided, uint256 required)
func (inferenceServing *InferenceServing) UnpackInsufficientStakeError(raw []byte) (*InferenceServingInsufficientStake, error) {
	out := new(InferenceServingInsufficientStake)
	if err := inferenceServing.abi.UnpackIntoInterface(out, "InsufficientStake", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// InferenceServingInvalidAddress represents a InvalidAddress error raised by the InferenceServing contract.
type InferenceServingInvalidAddress struct {
	Addr common.Address
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error InvalidAddress(address addr)
func InferenceServingInvalidAddressErrorID() common.Hash {
	return common.HexToHash("0x8e4c8aa64faa2ab4276a2c6878068416c0eae6ead59e25aa3c28d438ef21fae3")
}

// UnpackInvalidAddressError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error InvalidAddress(address addr)
func (inferenceServing *InferenceServing) UnpackInvalidAddressError(raw []byte) (*InferenceServingInvalidAddress, error) {
	out := new(InferenceServingInvalidAddress)
	if err := inferenceServing.abi.UnpackIntoInterface(out, "InvalidAddress", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// InferenceServingLimitTooLarge represents a LimitTooLarge error raised by the InferenceServing contract.
type InferenceServingLimitTooLarge struct {
	Limit *big.Int
	Max   *big.Int
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error LimitTooLarge(uint256 limit, uint256 max)
func InferenceServingLimitTooLargeErrorID() common.Hash {
	return common.HexToHash("0x062ba4dbfe08fe08e647afb483ed08ee34e0daadf2a4b421b803fb15eb6d664d")
}

// UnpackLimitTooLargeError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error LimitTooLarge(uint256 limit, uint256 max)
func (inferenceServing *InferenceServing) UnpackLimitTooLargeError(raw []byte) (*InferenceServingLimitTooLarge, error) {
	out := new(InferenceServingLimitTooLarge)
	if err := inferenceServing.abi.UnpackIntoInterface(out, "LimitTooLarge", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// InferenceServingLockTimeOutOfRange represents a LockTimeOutOfRange error raised by the InferenceServing contract.
type InferenceServingLockTimeOutOfRange struct {
	LockTime *big.Int
	Min      *big.Int
	Max      *big.Int
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error LockTimeOutOfRange(uint256 lockTime, uint256 min, uint256 max)
func InferenceServingLockTimeOutOfRangeErrorID() common.Hash {
	return common.HexToHash("0xa730f674f85df7274570965628f1fbd8551b3e8e7d8e5e94922edc2c7965b0d5")
}

// UnpackLockTimeOutOfRangeError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error LockTimeOutOfRange(uint256 lockTime, uint256 min, uint256 max)
func (inferenceServing *InferenceServing) UnpackLockTimeOutOfRangeError(raw []byte) (*InferenceServingLockTimeOutOfRange, error) {
	out := new(InferenceServingLockTimeOutOfRange)
	if err := inferenceServing.abi.UnpackIntoInterface(out, "LockTimeOutOfRange", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// InferenceServingNoSettlementsProvided represents a NoSettlementsProvided error raised by the InferenceServing contract.
type InferenceServingNoSettlementsProvided struct {
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error NoSettlementsProvided()
func InferenceServingNoSettlementsProvidedErrorID() common.Hash {
	return common.HexToHash("0x192912c9fbc2a8686450c4bd57739828c64461b051a165c479c4c2d264f0a695")
}

// UnpackNoSettlementsProvidedError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error NoSettlementsProvided()
func (inferenceServing *InferenceServing) UnpackNoSettlementsProvidedError(raw []byte) (*InferenceServingNoSettlementsProvided, error) {
	out := new(InferenceServingNoSettlementsProvided)
	if err := inferenceServing.abi.UnpackIntoInterface(out, "NoSettlementsProvided", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// InferenceServingProviderCannotBeUser represents a ProviderCannotBeUser error raised by the InferenceServing contract.
type InferenceServingProviderCannotBeUser struct {
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error ProviderCannotBeUser()
func InferenceServingProviderCannotBeUserErrorID() common.Hash {
	return common.HexToHash("0x99ed87d88e19fc29952aa53a884a09617d5071b34425227509f69b9962d720f8")
}

// UnpackProviderCannotBeUserError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error ProviderCannotBeUser()
func (inferenceServing *InferenceServing) UnpackProviderCannotBeUserError(raw []byte) (*InferenceServingProviderCannotBeUser, error) {
	out := new(InferenceServingProviderCannotBeUser)
	if err := inferenceServing.abi.UnpackIntoInterface(out, "ProviderCannotBeUser", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// InferenceServingServiceNotExist represents a ServiceNotExist error raised by the InferenceServing contract.
type InferenceServingServiceNotExist struct {
	Provider common.Address
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error ServiceNotExist(address provider)
func InferenceServingServiceNotExistErrorID() common.Hash {
	return common.HexToHash("0x098eda7e9e607340b7e131fc6707f124cda68e8f480f8ac15eec7f40449fa80a")
}

// UnpackServiceNotExistError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error ServiceNotExist(address provider)
func (inferenceServing *InferenceServing) UnpackServiceNotExistError(raw []byte) (*InferenceServingServiceNotExist, error) {
	out := new(InferenceServingServiceNotExist)
	if err := inferenceServing.abi.UnpackIntoInterface(out, "ServiceNotExist", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// InferenceServingTooManyRefunds represents a TooManyRefunds error raised by the InferenceServing contract.
type InferenceServingTooManyRefunds struct {
	User     common.Address
	Provider common.Address
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error TooManyRefunds(address user, address provider)
func InferenceServingTooManyRefundsErrorID() common.Hash {
	return common.HexToHash("0x9edd285fb92555cd1eab35b2a9644bb9ff42afe53d227286ae233d0442149fb1")
}

// UnpackTooManyRefundsError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error TooManyRefunds(address user, address provider)
func (inferenceServing *InferenceServing) UnpackTooManyRefundsError(raw []byte) (*InferenceServingTooManyRefunds, error) {
	out := new(InferenceServingTooManyRefunds)
	if err := inferenceServing.abi.UnpackIntoInterface(out, "TooManyRefunds", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// InferenceServingTooManySettlements represents a TooManySettlements error raised by the InferenceServing contract.
type InferenceServingTooManySettlements struct {
	Count *big.Int
	Max   *big.Int
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error TooManySettlements(uint256 count, uint256 max)
func InferenceServingTooManySettlementsErrorID() common.Hash {
	return common.HexToHash("0xf1c82a57b3beb4a9e1067332095a2ac6d73c7d01e09108ebd2d2fecf5a803559")
}

// UnpackTooManySettlementsError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error TooManySettlements(uint256 count, uint256 max)
func (inferenceServing *InferenceServing) UnpackTooManySettlementsError(raw []byte) (*InferenceServingTooManySettlements, error) {
	out := new(InferenceServingTooManySettlements)
	if err := inferenceServing.abi.UnpackIntoInterface(out, "TooManySettlements", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// InferenceServingTransferFailed represents a TransferFailed error raised by the InferenceServing contract.
type InferenceServingTransferFailed struct {
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error TransferFailed()
func InferenceServingTransferFailedErrorID() common.Hash {
	return common.HexToHash("0x90b8ec1877afffd816d05d9b13947f3ff18ec5851c38bad15ec2b710f92391b1")
}

// UnpackTransferFailedError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error TransferFailed()
func (inferenceServing *InferenceServing) UnpackTransferFailedError(raw []byte) (*InferenceServingTransferFailed, error) {
	out := new(InferenceServingTransferFailed)
	if err := inferenceServing.abi.UnpackIntoInterface(out, "TransferFailed", raw); err != nil {
		return nil, err
	}
	return out, nil
}
