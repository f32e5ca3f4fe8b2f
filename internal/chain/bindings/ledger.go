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

// Ledger is an auto generated low-level Go binding around an user-defined struct.
type Ledger struct {
	User             common.Address
	AvailableBalance *big.Int
	TotalBalance     *big.Int
	AdditionalInfo   string
}

// ServiceInfo is an auto generated low-level Go binding around an user-defined struct.
type ServiceInfo struct {
	ServiceAddress  common.Address
	ServiceContract common.Address
	ServiceType     string
	Version         string
	FullName        string
	Description     string
	IsRecommended   bool
	RegisteredAt    *big.Int
}

// LedgerManagerMetaData contains all meta data concerning the LedgerManager contract.
var LedgerManagerMetaData = bind.MetaData{
	ABI: "[{\"inputs\":[{\"internalType\":\"uint256\",\"name\":\"minAccount\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"minTransfer\",\"type\":\"uint256\"}],\"stateMutability\":\"nonpayable\",\"type\":\"constructor\"},{\"inputs\":[{\"internalType\":\"uint256\",\"name\":\"length\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"limit\",\"type\":\"uint256\"}],\"name\":\"AdditionalInfoTooLong\",\"type\":\"error\"},{\"inputs\":[],\"name\":\"AlreadyInitialized\",\"type\":\"error\"},{\"inputs\":[],\"name\":\"CallFailed\",\"type\":\"error\"},{\"inputs\":[],\"name\":\"DirectDepositsDisabled\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"uint256\",\"name\":\"available\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"required\",\"type\":\"uint256\"}],\"name\":\"InsufficientAvailableBalance\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"user\",\"type\":\"address\"}],\"name\":\"InsufficientBalance\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"user\",\"type\":\"address\"}],\"name\":\"LedgerExists\",\"type\":\"error\"},{\"inputs\":[],\"name\":\"LedgerLocked\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"user\",\"type\":\"address\"}],\"name\":\"LedgerNotExists\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"uint256\",\"name\":\"provided\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"required\",\"type\":\"uint256\"}],\"name\":\"MinimumDepositRequired\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"uint256\",\"name\":\"balance\",\"type\":\"uint256\"}],\"name\":\"MustWithdrawAllFundsFirst\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"string\",\"name\":\"serviceType\",\"type\":\"string\"}],\"name\":\"NoRecommendedService\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"service\",\"type\":\"address\"}],\"name\":\"ServiceNotFound\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"uint256\",\"name\":\"requested\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"limit\",\"type\":\"uint256\"}],\"name\":\"TooManyProviders\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"uint256\",\"name\":\"current\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"limit\",\"type\":\"uint256\"}],\"name\":\"TooManyProvidersForService\",\"type\":\"error\"},{\"inputs\":[],\"name\":\"TransferFailed\",\"type\":\"error\"},{\"inputs\":[],\"name\":\"ZeroAddressNotAllowed\",\"type\":\"error\"},{\"inputs\":[],\"name\":\"ZeroAmountNotAllowed\",\"type\":\"error\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"user\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"service\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"uint256\",\"name\":\"amount\",\"type\":\"uint256\"}],\"name\":\"FundSpent\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"user\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"string\",\"name\":\"additionalInfo\",\"type\":\"string\"}],\"name\":\"LedgerInfoUpdated\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":false,\"internalType\":\"string\",\"name\":\"serviceType\",\"type\":\"string\"},{\"indexed\":false,\"internalType\":\"string\",\"name\":\"version\",\"type\":\"string\"},{\"indexed\":false,\"internalType\":\"address\",\"name\":\"serviceAddress\",\"type\":\"address\"}],\"name\":\"RecommendedServiceUpdated\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"serviceAddress\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"string\",\"name\":\"serviceName\",\"type\":\"string\"}],\"name\":\"ServiceRegistered\",\"type\":\"event\"},{\"inputs\":[],\"name\":\"MAX_ADDITIONAL_INFO_LENGTH\",\"outputs\":[{\"internalType\":\"uint256\",\"name\":\"\",\"type\":\"uint256\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"MAX_PROVIDERS_PER_BATCH\",\"outputs\":[{\"internalType\":\"uint256\",\"name\":\"\",\"type\":\"uint256\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"MAX_PROVIDERS_PER_USER_PER_SERVICE\",\"outputs\":[{\"internalType\":\"uint256\",\"name\":\"\",\"type\":\"uint256\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"MAX_SERVICES\",\"outputs\":[{\"internalType\":\"uint256\",\"name\":\"\",\"type\":\"uint256\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"MIN_ACCOUNT_BALANCE\",\"outputs\":[{\"internalType\":\"uint256\",\"name\":\"\",\"type\":\"uint256\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"MIN_TRANSFER_AMOUNT\",\"outputs\":[{\"internalType\":\"uint256\",\"name\":\"\",\"type\":\"uint256\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"string\",\"name\":\"additionalInfo\",\"type\":\"string\"}],\"name\":\"addLedger\",\"outputs\":[{\"internalType\":\"uint256\",\"name\":\"\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"\",\"type\":\"uint256\"}],\"stateMutability\":\"payable\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"deleteLedger\",\"outputs\":[],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"depositFund\",\"outputs\":[],\"stateMutability\":\"payable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"recipient\",\"type\":\"address\"}],\"name\":\"depositFundFor\",\"outputs\":[],\"stateMutability\":\"payable\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"getAllActiveServices\",\"outputs\":[{\"components\":[{\"internalType\":\"address\",\"name\":\"serviceAddress\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"serviceContract\",\"type\":\"address\"},{\"internalType\":\"string\",\"name\":\"serviceType\",\"type\":\"string\"},{\"internalType\":\"string\",\"name\":\"version\",\"type\":\"string\"},{\"internalType\":\"string\",\"name\":\"fullName\",\"type\":\"string\"},{\"internalType\":\"string\",\"name\":\"description\",\"type\":\"string\"},{\"internalType\":\"bool\",\"name\":\"isRecommended\",\"type\":\"bool\"},{\"internalType\":\"uint256\",\"name\":\"registeredAt\",\"type\":\"uint256\"}],\"internalType\":\"structServiceInfo[]\",\"name\":\"list\",\"type\":\"tuple[]\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"uint256\",\"name\":\"offset\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"limit\",\"type\":\"uint256\"}],\"name\":\"getAllLedgers\",\"outputs\":[{\"components\":[{\"internalType\":\"address\",\"name\":\"user\",\"type\":\"address\"},{\"internalType\":\"uint256\",\"name\":\"availableBalance\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"totalBalance\",\"type\":\"uint256\"},{\"internalType\":\"string\",\"name\":\"additionalInfo\",\"type\":\"string\"}],\"internalType\":\"structLedger[]\",\"name\":\"list\",\"type\":\"tuple[]\"},{\"internalType\":\"uint256\",\"name\":\"total\",\"type\":\"uint256\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"string\",\"name\":\"serviceType\",\"type\":\"string\"}],\"name\":\"getAllVersions\",\"outputs\":[{\"internalType\":\"string[]\",\"name\":\"versions\",\"type\":\"string[]\"},{\"internalType\":\"address[]\",\"name\":\"addresses\",\"type\":\"address[]\"},{\"internalType\":\"bool[]\",\"name\":\"isRecommended\",\"type\":\"bool[]\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"user\",\"type\":\"address\"}],\"name\":\"getLedger\",\"outputs\":[{\"components\":[{\"internalType\":\"address\",\"name\":\"user\",\"type\":\"address\"},{\"internalType\":\"uint256\",\"name\":\"availableBalance\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"totalBalance\",\"type\":\"uint256\"},{\"internalType\":\"string\",\"name\":\"additionalInfo\",\"type\":\"string\"}],\"internalType\":\"structLedger\",\"name\":\"\",\"type\":\"tuple\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"user\",\"type\":\"address\"},{\"internalType\":\"string\",\"name\":\"serviceName\",\"type\":\"string\"}],\"name\":\"getLedgerProviders\",\"outputs\":[{\"internalType\":\"address[]\",\"name\":\"\",\"type\":\"address[]\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"string\",\"name\":\"serviceType\",\"type\":\"string\"}],\"name\":\"getRecommendedService\",\"outputs\":[{\"internalType\":\"string\",\"name\":\"version\",\"type\":\"string\"},{\"internalType\":\"address\",\"name\":\"serviceAddress\",\"type\":\"address\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"string\",\"name\":\"name\",\"type\":\"string\"}],\"name\":\"getServiceAddressByName\",\"outputs\":[{\"internalType\":\"address\",\"name\":\"\",\"type\":\"address\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"service\",\"type\":\"address\"}],\"name\":\"getServiceInfo\",\"outputs\":[{\"components\":[{\"internalType\":\"address\",\"name\":\"serviceAddress\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"serviceContract\",\"type\":\"address\"},{\"internalType\":\"string\",\"name\":\"serviceType\",\"type\":\"string\"},{\"internalType\":\"string\",\"name\":\"version\",\"type\":\"string\"},{\"internalType\":\"string\",\"name\":\"fullName\",\"type\":\"string\"},{\"internalType\":\"string\",\"name\":\"description\",\"type\":\"string\"},{\"internalType\":\"bool\",\"name\":\"isRecommended\",\"type\":\"bool\"},{\"internalType\":\"uint256\",\"name\":\"registeredAt\",\"type\":\"uint256\"}],\"internalType\":\"structServiceInfo\",\"name\":\"\",\"type\":\"tuple\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"initialize\",\"outputs\":[],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"string\",\"name\":\"serviceType\",\"type\":\"string\"},{\"internalType\":\"string\",\"name\":\"version\",\"type\":\"string\"}],\"name\":\"isRecommendedVersion\",\"outputs\":[{\"internalType\":\"bool\",\"name\":\"\",\"type\":\"bool\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"owner\",\"outputs\":[{\"internalType\":\"address\",\"name\":\"\",\"type\":\"address\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"receiveRefund\",\"outputs\":[],\"stateMutability\":\"payable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"uint256\",\"name\":\"amount\",\"type\":\"uint256\"}],\"name\":\"refund\",\"outputs\":[],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"string\",\"name\":\"serviceType\",\"type\":\"string\"},{\"internalType\":\"string\",\"name\":\"version\",\"type\":\"string\"},{\"internalType\":\"address\",\"name\":\"service\",\"type\":\"address\"},{\"internalType\":\"string\",\"name\":\"description\",\"type\":\"string\"}],\"name\":\"registerService\",\"outputs\":[],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address[]\",\"name\":\"list\",\"type\":\"address[]\"},{\"internalType\":\"string\",\"name\":\"serviceName\",\"type\":\"string\"}],\"name\":\"retrieveFund\",\"outputs\":[],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"user\",\"type\":\"address\"},{\"internalType\":\"uint256\",\"name\":\"amount\",\"type\":\"uint256\"}],\"name\":\"spendFund\",\"outputs\":[],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"internalType\":\"string\",\"name\":\"serviceName\",\"type\":\"string\"},{\"internalType\":\"uint256\",\"name\":\"amount\",\"type\":\"uint256\"}],\"name\":\"transferFund\",\"outputs\":[],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"string\",\"name\":\"info\",\"type\":\"string\"}],\"name\":\"updateAdditionalInfo\",\"outputs\":[],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"stateMutability\":\"payable\",\"type\":\"receive\"}]",
	ID:  "LedgerManager",
}

// LedgerManager is an auto generated Go binding around an Ethereum contract.
type LedgerManager struct {
	abi abi.ABI
}

// GetABI returns the ABI associated with this contract binding.
func (c *LedgerManager) GetABI() abi.ABI {
	return c.abi
}

// NewLedgerManager creates a new instance of LedgerManager.
func NewLedgerManager() *LedgerManager {
	parsed, err := LedgerManagerMetaData.ParseABI()
	if err != nil {
		panic(errors.New("invalid ABI: " + err.Error()))
	}
	return &LedgerManager{abi: *parsed}
}

// Instance creates a wrapper for a deployed contract instance at the given address.
// Use this to create the instance object passed to abigen v2 library functions Call, Transact, etc.
func (c *LedgerManager) Instance(backend bind.ContractBackend, addr common.Address) *bind.BoundContract {
	return bind.NewBoundContract(addr, c.abi, backend, backend, backend)
}

// PackConstructor is the Go binding used to pack the parameters required for
// contract deployment.
//
// Solidity: constructor(uint256 minAccount, uint256 minTransfer) returns()
func (ledgerManager *LedgerManager) PackConstructor(minAccount *big.Int, minTransfer *big.Int) []byte {
	enc, err := ledgerManager.abi.Pack("", minAccount, minTransfer)
	if err != nil {
		panic(err)
	}
	return enc
}

// PackMAXADDITIONALINFOLENGTH is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xe374248d.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function MAX_ADDITIONAL_INFO_LENGTH() view returns(uint256)
func (ledgerManager *LedgerManager) PackMAXADDITIONALINFOLENGTH() []byte {
	enc, err := ledgerManager.abi.Pack("MAX_ADDITIONAL_INFO_LENGTH")
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
func (ledgerManager *LedgerManager) TryPackMAXADDITIONALINFOLENGTH() ([]byte, error) {
	return ledgerManager.abi.Pack("MAX_ADDITIONAL_INFO_LENGTH")
}

// UnpackMAXADDITIONALINFOLENGTH is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xe374248d.
//
// Solidity: function MAX_ADDITIONAL_INFO_LENGTH() view returns(uint256)
func (ledgerManager *LedgerManager) UnpackMAXADDITIONALINFOLENGTH(data []byte) (*big.Int, error) {
	out, err := ledgerManager.abi.Unpack("MAX_ADDITIONAL_INFO_LENGTH", data)
	if err != nil {
		return new(big.Int), err
	}
	out0 := abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	return out0, nil
}

// PackMAXPROVIDERSPERBATCH is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x9449fe17.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function MAX_PROVIDERS_PER_BATCH() view returns(uint256)
func (ledgerManager *LedgerManager) PackMAXPROVIDERSPERBATCH() []byte {
	enc, err := ledgerManager.abi.Pack("MAX_PROVIDERS_PER_BATCH")
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackMAXPROVIDERSPERBATCH is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x9449fe17.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function MAX_PROVIDERS_PER_BATCH() view returns(uint256)
func (ledgerManager *LedgerManager) TryPackMAXPROVIDERSPERBATCH() ([]byte, error) {
	return ledgerManager.abi.Pack("MAX_PROVIDERS_PER_BATCH")
}

// UnpackMAXPROVIDERSPERBATCH is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x9449fe17.
//
// Solidity: function MAX_PROVIDERS_PER_BATCH() view returns(uint256)
func (ledgerManager *LedgerManager) UnpackMAXPROVIDERSPERBATCH(data []byte) (*big.Int, error) {
	out, err := ledgerManager.abi.Unpack("MAX_PROVIDERS_PER_BATCH", data)
	if err != nil {
		return new(big.Int), err
	}
	out0 := abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	return out0, nil
}

// PackMAXPROVIDERSPERUSERPERSERVICE is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x73ef900f.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function MAX_PROVIDERS_PER_USER_PER_SERVICE() view returns(uint256)
func (ledgerManager *LedgerManager) PackMAXPROVIDERSPERUSERPERSERVICE() []byte {
	enc, err := ledgerManager.abi.Pack("MAX_PROVIDERS_PER_USER_PER_SERVICE")
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackMAXPROVIDERSPERUSERPERSERVICE is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x73ef900f.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function MAX_PROVIDERS_PER_USER_PER_SERVICE() view returns(uint256)
func (ledgerManager *LedgerManager) TryPackMAXPROVIDERSPERUSERPERSERVICE() ([]byte, error) {
	return ledgerManager.abi.Pack("MAX_PROVIDERS_PER_USER_PER_SERVICE")
}

// UnpackMAXPROVIDERSPERUSERPERSERVICE is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x73ef900f.
//
// Solidity: function MAX_PROVIDERS_PER_USER_PER_SERVICE() view returns(uint256)
func (ledgerManager *LedgerManager) UnpackMAXPROVIDERSPERUSERPERSERVICE(data []byte) (*big.Int, error) {
	out, err := ledgerManager.abi.Unpack("MAX_PROVIDERS_PER_USER_PER_SERVICE", data)
	if err != nil {
		return new(big.Int), err
	}
	out0 := abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	return out0, nil
}

// PackMAXSERVICES is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x07940ea2.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function MAX_SERVICES() view returns(uint256)
func (ledgerManager *LedgerManager) PackMAXSERVICES() []byte {
	enc, err := ledgerManager.abi.Pack("MAX_SERVICES")
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackMAXSERVICES is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x07940ea2.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function MAX_SERVICES() view returns(uint256)
func (ledgerManager *LedgerManager) TryPackMAXSERVICES() ([]byte, error) {
	return ledgerManager.abi.Pack("MAX_SERVICES")
}

// UnpackMAXSERVICES is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x07940ea2.
//
// Solidity: function MAX_SERVICES() view returns(uint256)
func (ledgerManager *LedgerManager) UnpackMAXSERVICES(data []byte) (*big.Int, error) {
	out, err := ledgerManager.abi.Unpack("MAX_SERVICES", data)
	if err != nil {
		return new(big.Int), err
	}
	out0 := abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	return out0, nil
}

// PackMINACCOUNTBALANCE is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xac30b622.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function MIN_ACCOUNT_BALANCE() view returns(uint256)
func (ledgerManager *LedgerManager) PackMINACCOUNTBALANCE() []byte {
	enc, err := ledgerManager.abi.Pack("MIN_ACCOUNT_BALANCE")
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackMINACCOUNTBALANCE is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xac30b622.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function MIN_ACCOUNT_BALANCE() view returns(uint256)
func (ledgerManager *LedgerManager) TryPackMINACCOUNTBALANCE() ([]byte, error) {
	return ledgerManager.abi.Pack("MIN_ACCOUNT_BALANCE")
}

// UnpackMINACCOUNTBALANCE is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xac30b622.
//
// Solidity: function MIN_ACCOUNT_BALANCE() view returns(uint256)
func (ledgerManager *LedgerManager) UnpackMINACCOUNTBALANCE(data []byte) (*big.Int, error) {
	out, err := ledgerManager.abi.Unpack("MIN_ACCOUNT_BALANCE", data)
	if err != nil {
		return new(big.Int), err
	}
	out0 := abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	return out0, nil
}

// PackMINTRANSFERAMOUNT is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x3c3dbbc7.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function MIN_TRANSFER_AMOUNT() view returns(uint256)
func (ledgerManager *LedgerManager) PackMINTRANSFERAMOUNT() []byte {
	enc, err := ledgerManager.abi.Pack("MIN_TRANSFER_AMOUNT")
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackMINTRANSFERAMOUNT is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x3c3dbbc7.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function MIN_TRANSFER_AMOUNT() view returns(uint256)
func (ledgerManager *LedgerManager) TryPackMINTRANSFERAMOUNT() ([]byte, error) {
	return ledgerManager.abi.Pack("MIN_TRANSFER_AMOUNT")
}

// UnpackMINTRANSFERAMOUNT is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x3c3dbbc7.
//
// Solidity: function MIN_TRANSFER_AMOUNT() view returns(uint256)
func (ledgerManager *LedgerManager) UnpackMINTRANSFERAMOUNT(data []byte) (*big.Int, error) {
	out, err := ledgerManager.abi.Unpack("MIN_TRANSFER_AMOUNT", data)
	if err != nil {
		return new(big.Int), err
	}
	out0 := abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	return out0, nil
}

// PackAddLedger is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xc5e53f7e.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function addLedger(string additionalInfo) payable returns(uint256, uint256)
func (ledgerManager *LedgerManager) PackAddLedger(additionalInfo string) []byte {
	enc, err := ledgerManager.abi.Pack("addLedger", additionalInfo)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackAddLedger is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xc5e53f7e.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function addLedger(string additionalInfo) payable returns(uint256, uint256)
func (ledgerManager *LedgerManager) TryPackAddLedger(additionalInfo string) ([]byte, error) {
	return ledgerManager.abi.Pack("addLedger", additionalInfo)
}

// AddLedgerOutput serves as a container for the return parameters of contract
// method AddLedger.
type AddLedgerOutput struct {
	Arg0 *big.Int
	Arg1 *big.Int
}

// UnpackAddLedger is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xc5e53f7e.
//
// Solidity: function addLedger(string additionalInfo) payable returns(uint256, uint256)
func (ledgerManager *LedgerManager) UnpackAddLedger(data []byte) (AddLedgerOutput, error) {
	out, err := ledgerManager.abi.Unpack("addLedger", data)
	outstruct := new(AddLedgerOutput)
	if err != nil {
		return *outstruct, err
	}
	outstruct.Arg0 = abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	outstruct.Arg1 = abi.ConvertType(out[1], new(big.Int)).(*big.Int)
	return *outstruct, nil
}

// PackDeleteLedger is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x410b3815.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function deleteLedger() returns()
func (ledgerManager *LedgerManager) PackDeleteLedger() []byte {
	enc, err := ledgerManager.abi.Pack("deleteLedger")
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackDeleteLedger is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x410b3815.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function deleteLedger() returns()
func (ledgerManager *LedgerManager) TryPackDeleteLedger() ([]byte, error) {
	return ledgerManager.abi.Pack("deleteLedger")
}

// PackDepositFund is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x8d0d8cb6.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function depositFund() payable returns()
func (ledgerManager *LedgerManager) PackDepositFund() []byte {
	enc, err := ledgerManager.abi.Pack("depositFund")
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackDepositFund is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x8d0d8cb6.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function depositFund() payable returns()
func (ledgerManager *LedgerManager) TryPackDepositFund() ([]byte, error) {
	return ledgerManager.abi.Pack("depositFund")
}

// PackDepositFundFor is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xf585f3ea.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function depositFundFor(address recipient) payable returns()
func (ledgerManager *LedgerManager) PackDepositFundFor(recipient common.Address) []byte {
	enc, err := ledgerManager.abi.Pack("depositFundFor", recipient)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackDepositFundFor is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xf585f3ea.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function depositFundFor(address recipient) payable returns()
func (ledgerManager *LedgerManager) TryPackDepositFundFor(recipient common.Address) ([]byte, error) {
	return ledgerManager.abi.Pack("depositFundFor", recipient)
}

// PackGetAllActiveServices is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x9ade3972.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function getAllActiveServices() view returns((address,address,string,string,string,string,bool,uint256)[] list)
func (ledgerManager *LedgerManager) PackGetAllActiveServices() []byte {
	enc, err := ledgerManager.abi.Pack("getAllActiveServices")
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackGetAllActiveServices is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x9ade3972.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function getAllActiveServices() view returns((address,address,string,string,string,string,bool,uint256)[] list)
func (ledgerManager *LedgerManager) TryPackGetAllActiveServices() ([]byte, error) {
	return ledgerManager.abi.Pack("getAllActiveServices")
}

// UnpackGetAllActiveServices is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x9ade3972.
//
// Solidity: function getAllActiveServices() view returns((address,address,string,string,string,string,bool,uint256)[] list)
func (ledgerManager *LedgerManager) UnpackGetAllActiveServices(data []byte) ([]ServiceInfo, error) {
	out, err := ledgerManager.abi.Unpack("getAllActiveServices", data)
	if err != nil {
		return *new([]ServiceInfo), err
	}
	out0 := *abi.ConvertType(out[0], new([]ServiceInfo)).(*[]ServiceInfo)
	return out0, nil
}

// PackGetAllLedgers is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x987086f0.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function getAllLedgers(uint256 offset, uint256 limit) view returns((address,uint256,uint256,string)[] list, uint256 total)
func (ledgerManager *LedgerManager) PackGetAllLedgers(offset *big.Int, limit *big.Int) []byte {
	enc, err := ledgerManager.abi.Pack("getAllLedgers", offset, limit)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackGetAllLedgers is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x987086f0.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function getAllLedgers(uint256 offset, uint256 limit) view returns((address,uint256,uint256,string)[] list, uint256 total)
func (ledgerManager *LedgerManager) TryPackGetAllLedgers(offset *big.Int, limit *big.Int) ([]byte, error) {
	return ledgerManager.abi.Pack("getAllLedgers", offset, limit)
}

// GetAllLedgersOutput serves as a container for the return parameters of contract
// method GetAllLedgers.
type GetAllLedgersOutput struct {
	List  []Ledger
	Total *big.Int
}

// UnpackGetAllLedgers is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x987086f0.
//
// Solidity: function getAllLedgers(uint256 offset, uint256 limit) view returns((address,uint256,uint256,string)[] list, uint256 total)
func (ledgerManager *LedgerManager) UnpackGetAllLedgers(data []byte) (GetAllLedgersOutput, error) {
	out, err := ledgerManager.abi.Unpack("getAllLedgers", data)
	outstruct := new(GetAllLedgersOutput)
	if err != nil {
		return *outstruct, err
	}
	outstruct.List = *abi.ConvertType(out[0], new([]Ledger)).(*[]Ledger)
	outstruct.Total = abi.ConvertType(out[1], new(big.Int)).(*big.Int)
	return *outstruct, nil
}

// PackGetAllVersions is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xd4dca96d.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function getAllVersions(string serviceType) view returns(string[] versions, address[] addresses, bool[] isRecommended)
func (ledgerManager *LedgerManager) PackGetAllVersions(serviceType string) []byte {
	enc, err := ledgerManager.abi.Pack("getAllVersions", serviceType)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackGetAllVersions is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xd4dca96d.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function getAllVersions(string serviceType) view returns(string[] versions, address[] addresses, bool[] isRecommended)
func (ledgerManager *LedgerManager) TryPackGetAllVersions(serviceType string) ([]byte, error) {
	return ledgerManager.abi.Pack("getAllVersions", serviceType)
}

// GetAllVersionsOutput serves as a container for the return parameters of contract
// method GetAllVersions.
type GetAllVersionsOutput struct {
	Versions      []string
	Addresses     []common.Address
	IsRecommended []bool
}

// UnpackGetAllVersions is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xd4dca96d.
//
// Solidity: function getAllVersions(string serviceType) view returns(string[] versions, address[] addresses, bool[] isRecommended)
func (ledgerManager *LedgerManager) UnpackGetAllVersions(data []byte) (GetAllVersionsOutput, error) {
	out, err := ledgerManager.abi.Unpack("getAllVersions", data)
	outstruct := new(GetAllVersionsOutput)
	if err != nil {
		return *outstruct, err
	}
	outstruct.Versions = *abi.ConvertType(out[0], new([]string)).(*[]string)
	outstruct.Addresses = *abi.ConvertType(out[1], new([]common.Address)).(*[]common.Address)
	outstruct.IsRecommended = *abi.ConvertType(out[2], new([]bool)).(*[]bool)
	return *outstruct, nil
}

// PackGetLedger is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xf7cd6af9.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function getLedger(address user) view returns((address,uint256,uint256,string))
func (ledgerManager *LedgerManager) PackGetLedger(user common.Address) []byte {
	enc, err := ledgerManager.abi.Pack("getLedger", user)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackGetLedger is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xf7cd6af9.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function getLedger(address user) view returns((address,uint256,uint256,string))
func (ledgerManager *LedgerManager) TryPackGetLedger(user common.Address) ([]byte, error) {
	return ledgerManager.abi.Pack("getLedger", user)
}

// UnpackGetLedger is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xf7cd6af9.
//
// Solidity: function getLedger(address user) view returns((address,uint256,uint256,string))
func (ledgerManager *LedgerManager) UnpackGetLedger(data []byte) (Ledger, error) {
	out, err := ledgerManager.abi.Unpack("getLedger", data)
	if err != nil {
		return *new(Ledger), err
	}
	out0 := *abi.ConvertType(out[0], new(Ledger)).(*Ledger)
	return out0, nil
}

// PackGetLedgerProviders is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xaef42173.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function getLedgerProviders(address user, string serviceName) view returns(address[])
func (ledgerManager *LedgerManager) PackGetLedgerProviders(user common.Address, serviceName string) []byte {
	enc, err := ledgerManager.abi.Pack("getLedgerProviders", user, serviceName)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackGetLedgerProviders is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xaef42173.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function getLedgerProviders(address user, string serviceName) view returns(address[])
func (ledgerManager *LedgerManager) TryPackGetLedgerProviders(user common.Address, serviceName string) ([]byte, error) {
	return ledgerManager.abi.Pack("getLedgerProviders", user, serviceName)
}

// UnpackGetLedgerProviders is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xaef42173.
//
// Solidity: function getLedgerProviders(address user, string serviceName) view returns(address[])
func (ledgerManager *LedgerManager) UnpackGetLedgerProviders(data []byte) ([]common.Address, error) {
	out, err := ledgerManager.abi.Unpack("getLedgerProviders", data)
	if err != nil {
		return *new([]common.Address), err
	}
	out0 := *abi.ConvertType(out[0], new([]common.Address)).(*[]common.Address)
	return out0, nil
}

// PackGetRecommendedService is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x0e864174.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function getRecommendedService(string serviceType) view returns(string version, address serviceAddress)
func (ledgerManager *LedgerManager) PackGetRecommendedService(serviceType string) []byte {
	enc, err := ledgerManager.abi.Pack("getRecommendedService", serviceType)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackGetRecommendedService is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x0e864174.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function getRecommendedService(string serviceType) view returns(string version, address serviceAddress)
func (ledgerManager *LedgerManager) TryPackGetRecommendedService(serviceType string) ([]byte, error) {
	return ledgerManager.abi.Pack("getRecommendedService", serviceType)
}

// GetRecommendedServiceOutput serves as a container for the return parameters of contract
// method GetRecommendedService.
type GetRecommendedServiceOutput struct {
	Version        string
	ServiceAddress common.Address
}

// UnpackGetRecommendedService is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x0e864174.
//
// Solidity: function getRecommendedService(string serviceType) view returns(string version, address serviceAddress)
func (ledgerManager *LedgerManager) UnpackGetRecommendedService(data []byte) (GetRecommendedServiceOutput, error) {
	out, err := ledgerManager.abi.Unpack("getRecommendedService", data)
	outstruct := new(GetRecommendedServiceOutput)
	if err != nil {
		return *outstruct, err
	}
	outstruct.Version = *abi.ConvertType(out[0], new(string)).(*string)
	outstruct.ServiceAddress = *abi.ConvertType(out[1], new(common.Address)).(*common.Address)
	return *outstruct, nil
}

// PackGetServiceAddressByName is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xb8d5e581.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function getServiceAddressByName(string name) view returns(address)
func (ledgerManager *LedgerManager) PackGetServiceAddressByName(name string) []byte {
	enc, err := ledgerManager.abi.Pack("getServiceAddressByName", name)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackGetServiceAddressByName is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xb8d5e581.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function getServiceAddressByName(string name) view returns(address)
func (ledgerManager *LedgerManager) TryPackGetServiceAddressByName(name string) ([]byte, error) {
	return ledgerManager.abi.Pack("getServiceAddressByName", name)
}

// UnpackGetServiceAddressByName is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xb8d5e581.
//
// Solidity: function getServiceAddressByName(string name) view returns(address)
func (ledgerManager *LedgerManager) UnpackGetServiceAddressByName(data []byte) (common.Address, error) {
	out, err := ledgerManager.abi.Unpack("getServiceAddressByName", data)
	if err != nil {
		return *new(common.Address), err
	}
	out0 := *abi.ConvertType(out[0], new(common.Address)).(*common.Address)
	return out0, nil
}

// PackGetServiceInfo is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xe032f732.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function getServiceInfo(address service) view returns((address,address,string,string,string,string,bool,uint256))
func (ledgerManager *LedgerManager) PackGetServiceInfo(service common.Address) []byte {
	enc, err := ledgerManager.abi.Pack("getServiceInfo", service)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackGetServiceInfo is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xe032f732.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function getServiceInfo(address service) view returns((address,address,string,string,string,string,bool,uint256))
func (ledgerManager *LedgerManager) TryPackGetServiceInfo(service common.Address) ([]byte, error) {
	return ledgerManager.abi.Pack("getServiceInfo", service)
}

// UnpackGetServiceInfo is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xe032f732.
//
// Solidity: function getServiceInfo(address service) view returns((address,address,string,string,string,string,bool,uint256))
func (ledgerManager *LedgerManager) UnpackGetServiceInfo(data []byte) (ServiceInfo, error) {
	out, err := ledgerManager.abi.Unpack("getServiceInfo", data)
	if err != nil {
		return *new(ServiceInfo), err
	}
	out0 := *abi.ConvertType(out[0], new(ServiceInfo)).(*ServiceInfo)
	return out0, nil
}

// PackInitialize is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x8129fc1c.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function initialize() returns()
func (ledgerManager *LedgerManager) PackInitialize() []byte {
	enc, err := ledgerManager.abi.Pack("initialize")
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackInitialize is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x8129fc1c.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function initialize() returns()
func (ledgerManager *LedgerManager) TryPackInitialize() ([]byte, error) {
	return ledgerManager.abi.Pack("initialize")
}

// PackIsRecommendedVersion is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xa2610565.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function isRecommendedVersion(string serviceType, string version) view returns(bool)
func (ledgerManager *LedgerManager) PackIsRecommendedVersion(serviceType string, version string) []byte {
	enc, err := ledgerManager.abi.Pack("isRecommendedVersion", serviceType, version)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackIsRecommendedVersion is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xa2610565.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function isRecommendedVersion(string serviceType, string version) view returns(bool)
func (ledgerManager *LedgerManager) TryPackIsRecommendedVersion(serviceType string, version string) ([]byte, error) {
	return ledgerManager.abi.Pack("isRecommendedVersion", serviceType, version)
}

// UnpackIsRecommendedVersion is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xa2610565.
//
// Solidity: function isRecommendedVersion(string serviceType, string version) view returns(bool)
func (ledgerManager *LedgerManager) UnpackIsRecommendedVersion(data []byte) (bool, error) {
	out, err := ledgerManager.abi.Unpack("isRecommendedVersion", data)
	if err != nil {
		return *new(bool), err
	}
	out0 := *abi.ConvertType(out[0], new(bool)).(*bool)
	return out0, nil
}

// PackOwner is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x8da5cb5b.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function owner() view returns(address)
func (ledgerManager *LedgerManager) PackOwner() []byte {
	enc, err := ledgerManager.abi.Pack("owner")
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
func (ledgerManager *LedgerManager) TryPackOwner() ([]byte, error) {
	return ledgerManager.abi.Pack("owner")
}

// UnpackOwner is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x8da5cb5b.
//
// Solidity: function owner() view returns(address)
func (ledgerManager *LedgerManager) UnpackOwner(data []byte) (common.Address, error) {
	out, err := ledgerManager.abi.Unpack("owner", data)
	if err != nil {
		return *new(common.Address), err
	}
	out0 := *abi.ConvertType(out[0], new(common.Address)).(*common.Address)
	return out0, nil
}

// PackReceiveRefund is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x9e233631.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function receiveRefund() payable returns()
func (ledgerManager *LedgerManager) PackReceiveRefund() []byte {
	enc, err := ledgerManager.abi.Pack("receiveRefund")
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackReceiveRefund is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x9e233631.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function receiveRefund() payable returns()
func (ledgerManager *LedgerManager) TryPackReceiveRefund() ([]byte, error) {
	return ledgerManager.abi.Pack("receiveRefund")
}

// PackRefund is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x278ecde1.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function refund(uint256 amount) returns()
func (ledgerManager *LedgerManager) PackRefund(amount *big.Int) []byte {
	enc, err := ledgerManager.abi.Pack("refund", amount)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackRefund is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x278ecde1.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function refund(uint256 amount) returns()
func (ledgerManager *LedgerManager) TryPackRefund(amount *big.Int) ([]byte, error) {
	return ledgerManager.abi.Pack("refund", amount)
}

// PackRegisterService is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x1ef4dc44.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function registerService(string serviceType, string version, address service, string description) returns()
func (ledgerManager *LedgerManager) PackRegisterService(serviceType string, version string, service common.Address, description string) []byte {
	enc, err := ledgerManager.abi.Pack("registerService", serviceType, version, service, description)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackRegisterService is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x1ef4dc44.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function registerService(string serviceType, string version, address service, string description) returns()
func (ledgerManager *LedgerManager) TryPackRegisterService(serviceType string, version string, service common.Address, description string) ([]byte, error) {
	return ledgerManager.abi.Pack("registerService", serviceType, version, service, description)
}

// PackRetrieveFund is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x31404a19.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function retrieveFund(address[] list, string serviceName) returns()
func (ledgerManager *LedgerManager) PackRetrieveFund(list []common.Address, serviceName string) []byte {
	enc, err := ledgerManager.abi.Pack("retrieveFund", list, serviceName)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackRetrieveFund is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x31404a19.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function retrieveFund(address[] list, string serviceName) returns()
func (ledgerManager *LedgerManager) TryPackRetrieveFund(list []common.Address, serviceName string) ([]byte, error) {
	return ledgerManager.abi.Pack("retrieveFund", list, serviceName)
}

// PackSpendFund is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xdd8a4118.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function spendFund(address user, uint256 amount) returns()
func (ledgerManager *LedgerManager) PackSpendFund(user common.Address, amount *big.Int) []byte {
	enc, err := ledgerManager.abi.Pack("spendFund", user, amount)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackSpendFund is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xdd8a4118.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function spendFund(address user, uint256 amount) returns()
func (ledgerManager *LedgerManager) TryPackSpendFund(user common.Address, amount *big.Int) ([]byte, error) {
	return ledgerManager.abi.Pack("spendFund", user, amount)
}

// PackTransferFund is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x2ba43b82.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function transferFund(address provider, string serviceName, uint256 amount) returns()
func (ledgerManager *LedgerManager) PackTransferFund(provider common.Address, serviceName string, amount *big.Int) []byte {
	enc, err := ledgerManager.abi.Pack("transferFund", provider, serviceName, amount)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackTransferFund is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x2ba43b82.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function transferFund(address provider, string serviceName, uint256 amount) returns()
func (ledgerManager *LedgerManager) TryPackTransferFund(provider common.Address, serviceName string, amount *big.Int) ([]byte, error) {
	return ledgerManager.abi.Pack("transferFund", provider, serviceName, amount)
}

// PackUpdateAdditionalInfo is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xffc22b5f.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function updateAdditionalInfo(string info) returns()
func (ledgerManager *LedgerManager) PackUpdateAdditionalInfo(info string) []byte {
	enc, err := ledgerManager.abi.Pack("updateAdditionalInfo", info)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackUpdateAdditionalInfo is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xffc22b5f.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function updateAdditionalInfo(string info) returns()
func (ledgerManager *LedgerManager) TryPackUpdateAdditionalInfo(info string) ([]byte, error) {
	return ledgerManager.abi.Pack("updateAdditionalInfo", info)
}

// LedgerManagerFundSpent represents a FundSpent event raised by the LedgerManager contract.
type LedgerManagerFundSpent struct {
	User    common.Address
	Service common.Address
	Amount  *big.Int
	Raw     *types.Log // Blockchain specific contextual infos
}

const LedgerManagerFundSpentEventName = "FundSpent"

// ContractEventName returns the user-defined event name.
func (LedgerManagerFundSpent) ContractEventName() string {
	return LedgerManagerFundSpentEventName
}

// UnpackFundSpentEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event FundSpent(address indexed user, address indexed service, uint256 amount)
func (ledgerManager *LedgerManager) UnpackFundSpentEvent(log *types.Log) (*LedgerManagerFundSpent, error) {
	event := "FundSpent"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != ledgerManager.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(LedgerManagerFundSpent)
	if len(log.Data) > 0 {
		if err := ledgerManager.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range ledgerManager.abi.Events[event].Inputs {
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

// LedgerManagerLedgerInfoUpdated represents a LedgerInfoUpdated event raised by the LedgerManager contract.
type LedgerManagerLedgerInfoUpdated struct {
	User           common.Address
	AdditionalInfo string
	Raw            *types.Log // Blockchain specific contextual infos
}

const LedgerManagerLedgerInfoUpdatedEventName = "LedgerInfoUpdated"

// ContractEventName returns the user-defined event name.
func (LedgerManagerLedgerInfoUpdated) ContractEventName() string {
	return LedgerManagerLedgerInfoUpdatedEventName
}

// UnpackLedgerInfoUpdatedEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event LedgerInfoUpdated(address indexed user, string additionalInfo)
func (ledgerManager *LedgerManager) UnpackLedgerInfoUpdatedEvent(log *types.Log) (*LedgerManagerLedgerInfoUpdated, error) {
	event := "LedgerInfoUpdated"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != ledgerManager.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(LedgerManagerLedgerInfoUpdated)
	if len(log.Data) > 0 {
		if err := ledgerManager.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range ledgerManager.abi.Events[event].Inputs {
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

// LedgerManagerRecommendedServiceUpdated represents a RecommendedServiceUpdated event raised by the LedgerManager contract.
type LedgerManagerRecommendedServiceUpdated struct {
	ServiceType    string
	Version        string
	ServiceAddress common.Address
	Raw            *types.Log // Blockchain specific contextual infos
}

const LedgerManagerRecommendedServiceUpdatedEventName = "RecommendedServiceUpdated"

// ContractEventName returns the user-defined event name.
func (LedgerManagerRecommendedServiceUpdated) ContractEventName() string {
	return LedgerManagerRecommendedServiceUpdatedEventName
}

// UnpackRecommendedServiceUpdatedEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event RecommendedServiceUpdated(string serviceType, string version, address serviceAddress)
func (ledgerManager *LedgerManager) UnpackRecommendedServiceUpdatedEvent(log *types.Log) (*LedgerManagerRecommendedServiceUpdated, error) {
	event := "RecommendedServiceUpdated"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != ledgerManager.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(LedgerManagerRecommendedServiceUpdated)
	if len(log.Data) > 0 {
		if err := ledgerManager.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range ledgerManager.abi.Events[event].Inputs {
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

// LedgerManagerServiceRegistered represents a ServiceRegistered event raised by the LedgerManager contract.
type LedgerManagerServiceRegistered struct {
	ServiceAddress common.Address
	ServiceName    string
	Raw            *types.Log // Blockchain specific contextual infos
}

const LedgerManagerServiceRegisteredEventName = "ServiceRegistered"

// ContractEventName returns the user-defined event name.
func (LedgerManagerServiceRegistered) ContractEventName() string {
	return LedgerManagerServiceRegisteredEventName
}

// UnpackServiceRegisteredEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event ServiceRegistered(address indexed serviceAddress, string serviceName)
func (ledgerManager *LedgerManager) UnpackServiceRegisteredEvent(log *types.Log) (*LedgerManagerServiceRegistered, error) {
	event := "ServiceRegistered"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != ledgerManager.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(LedgerManagerServiceRegistered)
	if len(log.Data) > 0 {
		if err := ledgerManager.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range ledgerManager.abi.Events[event].Inputs {
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
func (ledgerManager *LedgerManager) UnpackError(raw []byte) (any, error) {
	if bytes.Equal(raw[:4], ledgerManager.abi.Errors["AdditionalInfoTooLong"].ID.Bytes()[:4]) {
		return ledgerManager.UnpackAdditionalInfoTooLongError(raw[4:])
	}
	if bytes.Equal(raw[:4], ledgerManager.abi.Errors["AlreadyInitialized"].ID.Bytes()[:4]) {
		return ledgerManager.UnpackAlreadyInitializedError(raw[4:])
	}
	if bytes.Equal(raw[:4], ledgerManager.abi.Errors["CallFailed"].ID.Bytes()[:4]) {
		return ledgerManager.UnpackCallFailedError(raw[4:])
	}
	if bytes.Equal(raw[:4], ledgerManager.abi.Errors["DirectDepositsDisabled"].ID.Bytes()[:4]) {
		return ledgerManager.UnpackDirectDepositsDisabledError(raw[4:])
	}
	if bytes.Equal(raw[:4], ledgerManager.abi.Errors["InsufficientAvailableBalance"].ID.Bytes()[:4]) {
		return ledgerManager.UnpackInsufficientAvailableBalanceError(raw[4:])
	}
	if bytes.Equal(raw[:4], ledgerManager.abi.Errors["InsufficientBalance"].ID.Bytes()[:4]) {
		return ledgerManager.UnpackInsufficientBalanceError(raw[4:])
	}
	if bytes.Equal(raw[:4], ledgerManager.abi.Errors["LedgerExists"].ID.Bytes()[:4]) {
		return ledgerManager.UnpackLedgerExistsError(raw[4:])
	}
	if bytes.Equal(raw[:4], ledgerManager.abi.Errors["LedgerLocked"].ID.Bytes()[:4]) {
		return ledgerManager.UnpackLedgerLockedError(raw[4:])
	}
	if bytes.Equal(raw[:4], ledgerManager.abi.Errors["LedgerNotExists"].ID.Bytes()[:4]) {
		return ledgerManager.UnpackLedgerNotExistsError(raw[4:])
	}
	if bytes.Equal(raw[:4], ledgerManager.abi.Errors["MinimumDepositRequired"].ID.Bytes()[:4]) {
		return ledgerManager.UnpackMinimumDepositRequiredError(raw[4:])
	}
	if bytes.Equal(raw[:4], ledgerManager.abi.Errors["MustWithdrawAllFundsFirst"].ID.Bytes()[:4]) {
		return ledgerManager.UnpackMustWithdrawAllFundsFirstError(raw[4:])
	}
	if bytes.Equal(raw[:4], ledgerManager.abi.Errors["NoRecommendedService"].ID.Bytes()[:4]) {
		return ledgerManager.UnpackNoRecommendedServiceError(raw[4:])
	}
	if bytes.Equal(raw[:4], ledgerManager.abi.Errors["ServiceNotFound"].ID.Bytes()[:4]) {
		return ledgerManager.UnpackServiceNotFoundError(raw[4:])
	}
	if bytes.Equal(raw[:4], ledgerManager.abi.Errors["TooManyProviders"].ID.Bytes()[:4]) {
		return ledgerManager.UnpackTooManyProvidersError(raw[4:])
	}
	if bytes.Equal(raw[:4], ledgerManager.abi.Errors["TooManyProvidersForService"].ID.Bytes()[:4]) {
		return ledgerManager.UnpackTooManyProvidersForServiceError(raw[4:])
	}
	if bytes.Equal(raw[:4], ledgerManager.abi.Errors["TransferFailed"].ID.Bytes()[:4]) {
		return ledgerManager.UnpackTransferFailedError(raw[4:])
	}
	if bytes.Equal(raw[:4], ledgerManager.abi.Errors["ZeroAddressNotAllowed"].ID.Bytes()[:4]) {
		return ledgerManager.UnpackZeroAddressNotAllowedError(raw[4:])
	}
	if bytes.Equal(raw[:4], ledgerManager.abi.Errors["ZeroAmountNotAllowed"].ID.Bytes()[:4]) {
		return ledgerManager.UnpackZeroAmountNotAllowedError(raw[4:])
	}
	return nil, errors.New("Unknown error")
}

// LedgerManagerAdditionalInfoTooLong represents a AdditionalInfoTooLong error raised by the LedgerManager contract.
type LedgerManagerAdditionalInfoTooLong struct {
	Length *big.Int
	Limit  *big.Int
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error AdditionalInfoTooLong(uint256 length, uint256 limit)
func LedgerManagerAdditionalInfoTooLongErrorID() common.Hash {
	return common.HexToHash("0x69e0a42c3bf50c716d5a162f7b31ea11fb464327255869b9b39e8478b00b79c2")
}

// UnpackAdditionalInfoTooLongError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error AdditionalInfoTooLong(uint256 length, uint256 limit)
func (ledgerManager *LedgerManager) UnpackAdditionalInfoTooLongError(raw []byte) (*LedgerManagerAdditionalInfoTooLong, error) {
	out := new(LedgerManagerAdditionalInfoTooLong)
	if err := ledgerManager.abi.UnpackIntoInterface(out, "AdditionalInfoTooLong", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// LedgerManagerAlreadyInitialized represents a AlreadyInitialized error raised by the LedgerManager contract.
type LedgerManagerAlreadyInitialized struct {
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error AlreadyInitialized()
func LedgerManagerAlreadyInitializedErrorID() common.Hash {
	return common.HexToHash("0x0dc149f07762891dbcea3fe72770f3d63a1863fc54b2f084e8c59ec476996927")
}

// UnpackAlreadyInitializedError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error AlreadyInitialized()
func (ledgerManager *LedgerManager) UnpackAlreadyInitializedError(raw []byte) (*LedgerManagerAlreadyInitialized, error) {
	out := new(LedgerManagerAlreadyInitialized)
	if err := ledgerManager.abi.UnpackIntoInterface(out, "AlreadyInitialized", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// LedgerManagerCallFailed represents a CallFailed error raised by the LedgerManager contract.
type LedgerManagerCallFailed struct {
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error CallFailed()
func LedgerManagerCallFailedErrorID() common.Hash {
	return common.HexToHash("0x3204506f6a813959cffc5fd04d7ea98039e9c7444048856baf6c10ae312eb843")
}

// UnpackCallFailedError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error CallFailed()
func (ledgerManager *LedgerManager) UnpackCallFailedError(raw []byte) (*LedgerManagerCallFailed, error) {
	out := new(LedgerManagerCallFailed)
	if err := ledgerManager.abi.UnpackIntoInterface(out, "CallFailed", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// LedgerManagerDirectDepositsDisabled represents a DirectDepositsDisabled error raised by the LedgerManager contract.
type LedgerManagerDirectDepositsDisabled struct {
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error DirectDepositsDisabled()
func LedgerManagerDirectDepositsDisabledErrorID() common.Hash {
	return common.HexToHash("0x0f3342be277fc0996324340a705216c2ab2cd36f98826022a2bd114425c8d13f")
}

// UnpackDirectDepositsDisabledError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error DirectDepositsDisabled()
func (ledgerManager *LedgerManager) UnpackDirectDepositsDisabledError(raw []byte) (*LedgerManagerDirectDepositsDisabled, error) {
	out := new(LedgerManagerDirectDepositsDisabled)
	if err := ledgerManager.abi.UnpackIntoInterface(out, "DirectDepositsDisabled", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// LedgerManagerInsufficientAvailableBalance represents a InsufficientAvailableBalance error raised by the LedgerManager contract.
type LedgerManagerInsufficientAvailableBalance struct {
	Available *big.Int
	Required  *big.Int
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error InsufficientAvailableBalance(uint256 available, uint256 required)
func LedgerManagerInsufficientAvailableBalanceErrorID() common.Hash {
	return common.HexToHash("0xadb9e0436852db9502bf580a8073905f43764efa54dafebe66402a777f1ccc70")
}

// UnpackInsufficientAvailableBalanceError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error InsufficientAvailableBalance(uint256 available, uint256 required)
func (ledgerManager *LedgerManager) UnpackInsufficientAvailableBalanceError(raw []byte) (*LedgerManagerInsufficientAvailableBalance, error) {
	out := new(LedgerManagerInsufficientAvailableBalance)
	if err := ledgerManager.abi.UnpackIntoInterface(out, "InsufficientAvailableBalance", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// LedgerManagerInsufficientBalance represents a InsufficientBalance error raised by the LedgerManager contract.
type LedgerManagerInsufficientBalance struct {
	User common.Address
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error InsufficientBalance(address user)
func LedgerManagerInsufficientBalanceErrorID() common.Hash {
	return common.HexToHash("0x897f6c58f7b09a7a695bc1b4477556860208a3df666f44a955021ce19789a5f6")
}

// UnpackInsufficientBalanceError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error InsufficientBalance(address user)
func (ledgerManager *LedgerManager) UnpackInsufficientBalanceError(raw []byte) (*LedgerManagerInsufficientBalance, error) {
	out := new(LedgerManagerInsufficientBalance)
	if err := ledgerManager.abi.UnpackIntoInterface(out, "InsufficientBalance", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// LedgerManagerLedgerExists represents a LedgerExists error raised by the LedgerManager contract.
type LedgerManagerLedgerExists struct {
	User common.Address
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error LedgerExists(address user)
func LedgerManagerLedgerExistsErrorID() common.Hash {
	return common.HexToHash("0xcde58aa1e55c95a8c048f575894ca981453ab016f8500d5e0f4ff8986766a59f")
}

// UnpackLedgerExistsError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error LedgerExists(address user)
func (ledgerManager *LedgerManager) UnpackLedgerExistsError(raw []byte) (*LedgerManagerLedgerExists, error) {
	out := new(LedgerManagerLedgerExists)
	if err := ledgerManager.abi.UnpackIntoInterface(out, "LedgerExists", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// LedgerManagerLedgerLocked represents a LedgerLocked error raised by the LedgerManager contract.
type LedgerManagerLedgerLocked struct {
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error LedgerLocked()
func LedgerManagerLedgerLockedErrorID() common.Hash {
	return common.HexToHash("0x689e300a2891bc18a49a98049d686ea17cdb1596a3df350a54d32f41860e57cc")
}

// UnpackLedgerLockedError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error LedgerLocked()
func (ledgerManager *LedgerManager) UnpackLedgerLockedError(raw []byte) (*LedgerManagerLedgerLocked, error) {
	out := new(LedgerManagerLedgerLocked)
	if err := ledgerManager.abi.UnpackIntoInterface(out, "LedgerLocked", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// LedgerManagerLedgerNotExists represents a LedgerNotExists error raised by the LedgerManager contract.
type LedgerManagerLedgerNotExists struct {
	User common.Address
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error LedgerNotExists(address user)
func LedgerManagerLedgerNotExistsErrorID() common.Hash {
	return common.HexToHash("0x7d2d536b180626e06242dae069b2af602ea784c551763069f8f3f4a4db7b45b1")
}

// UnpackLedgerNotExistsError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error LedgerNotExists(address user)
func (ledgerManager *LedgerManager) UnpackLedgerNotExistsError(raw []byte) (*LedgerManagerLedgerNotExists, error) {
	out := new(LedgerManagerLedgerNotExists)
	if err := ledgerManager.abi.UnpackIntoInterface(out, "LedgerNotExists", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// LedgerManagerMinimumDepositRequired represents a MinimumDepositRequired error raised by the LedgerManager contract.
type LedgerManagerMinimumDepositRequired struct {
	Provided *big.Int
	Required *big.Int
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error MinimumDepositRequired(uint256 provided, uint256 required)
func LedgerManagerMinimumDepositRequiredErrorID() common.Hash {
	return common.HexToHash("0x54443ec404d51141591bba1fe9237d076145bdd50838955663cd7e4930db6ba5")
}

// UnpackMinimumDepositRequiredError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error MinimumDepositRequired(uint256 provided, uint256 required)
func (ledgerManager *LedgerManager) UnpackMinimumDepositRequiredError(raw []byte) (*LedgerManagerMinimumDepositRequired, error) {
	out := new(LedgerManagerMinimumDepositRequired)
	if err := ledgerManager.abi.UnpackIntoInterface(out, "MinimumDepositRequired", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// LedgerManagerMustWithdrawAllFundsFirst represents a MustWithdrawAllFundsFirst error raised by the LedgerManager contract.
type LedgerManagerMustWithdrawAllFundsFirst struct {
	Balance *big.Int
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error MustWithdrawAllFundsFirst(uint256 balance)
func LedgerManagerMustWithdrawAllFundsFirstErrorID() common.Hash {
	return common.HexToHash("0xf6ba0ebf1f30ca19cc06f40592cd8e07ce94222d32a150f30002bef6bacc7d2a")
}

// UnpackMustWithdrawAllFundsFirstError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error MustWithdrawAllFundsFirst(uint256 balance)
func (ledgerManager *LedgerManager) UnpackMustWithdrawAllFundsFirstError(raw []byte) (*LedgerManagerMustWithdrawAllFundsFirst, error) {
	out := new(LedgerManagerMustWithdrawAllFundsFirst)
	if err := ledgerManager.abi.UnpackIntoInterface(out, "MustWithdrawAllFundsFirst", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// LedgerManagerNoRecommendedService represents a NoRecommendedService error raised by the LedgerManager contract.
type LedgerManagerNoRecommendedService struct {
	ServiceType string
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error NoRecommendedService(string serviceType)
func LedgerManagerNoRecommendedServiceErrorID() common.Hash {
	return common.HexToHash("0x5beadfccb474b38e36e8570cf128e29dcd17f7b343dd46207715f0686f96d3a5")
}

// UnpackNoRecommendedServiceError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error NoRecommendedService(string serviceType)
func (ledgerManager *LedgerManager) UnpackNoRecommendedServiceError(raw []byte) (*LedgerManagerNoRecommendedService, error) {
	out := new(LedgerManagerNoRecommendedService)
	if err := ledgerManager.abi.UnpackIntoInterface(out, "NoRecommendedService", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// LedgerManagerServiceNotFound represents a ServiceNotFound error raised by the LedgerManager contract.
type LedgerManagerServiceNotFound struct {
	Service common.Address
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error ServiceNotFound(address service)
func LedgerManagerServiceNotFoundErrorID() common.Hash {
	return common.HexToHash("0xb5365807e01e36c2b5a5cab86d25fdb7082f682ebdc149a97f237adbd12541a8")
}

// UnpackServiceNotFoundError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error ServiceNotFound(address service)
func (ledgerManager *LedgerManager) UnpackServiceNotFoundError(raw []byte) (*LedgerManagerServiceNotFound, error) {
	out := new(LedgerManagerServiceNotFound)
	if err := ledgerManager.abi.UnpackIntoInterface(out, "ServiceNotFound", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// LedgerManagerTooManyProviders represents a TooManyProviders error raised by the LedgerManager contract.
type LedgerManagerTooManyProviders struct {
	Requested *big.Int
	Limit     *big.Int
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error TooManyProviders(uint256 requested, uint256 limit)
func LedgerManagerTooManyProvidersErrorID() common.Hash {
	return common.HexToHash("0x829e4c322a5abd01bc69abe5e299ba623e7ecde4cf53601bcab6e551b835989b")
}

// UnpackTooManyProvidersError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error TooManyProviders(uint256 requested, uint256 limit)
func (ledgerManager *LedgerManager) UnpackTooManyProvidersError(raw []byte) (*LedgerManagerTooManyProviders, error) {
	out := new(LedgerManagerTooManyProviders)
	if err := ledgerManager.abi.UnpackIntoInterface(out, "TooManyProviders", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// LedgerManagerTooManyProvidersForService represents a TooManyProvidersForService error raised by the LedgerManager contract.
type LedgerManagerTooManyProvidersForService struct {
	Current *big.Int
	Limit   *big.Int
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error TooManyProvidersForService(uint256 current, uint256 limit)
func LedgerManagerTooManyProvidersForServiceErrorID() common.Hash {
	return common.HexToHash("0xe949933723c33e4a02f546fd71d8aa0ba1da4c3414d6f9f8704bce0f7af9ad09")
}

// UnpackTooManyProvidersForServiceError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error TooManyProvidersForService(uint256 current, uint256 limit)
func (ledgerManager *LedgerManager) UnpackTooManyProvidersForServiceError(raw []byte) (*LedgerManagerTooManyProvidersForService, error) {
	out := new(LedgerManagerTooManyProvidersForService)
	if err := ledgerManager.abi.UnpackIntoInterface(out, "TooManyProvidersForService", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// LedgerManagerTransferFailed represents a TransferFailed error raised by the LedgerManager contract.
type LedgerManagerTransferFailed struct {
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error TransferFailed()
func LedgerManagerTransferFailedErrorID() common.Hash {
	return common.HexToHash("0x90b8ec1877afffd816d05d9b13947f3ff18ec5851c38bad15ec2b710f92391b1")
}

// UnpackTransferFailedError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error TransferFailed()
func (ledgerManager *LedgerManager) UnpackTransferFailedError(raw []byte) (*LedgerManagerTransferFailed, error) {
	out := new(LedgerManagerTransferFailed)
	if err := ledgerManager.abi.UnpackIntoInterface(out, "TransferFailed", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// LedgerManagerZeroAddressNotAllowed represents a ZeroAddressNotAllowed error raised by the LedgerManager contract.
type LedgerManagerZeroAddressNotAllowed struct {
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error ZeroAddressNotAllowed()
func LedgerManagerZeroAddressNotAllowedErrorID() common.Hash {
	return common.HexToHash("0x8579befe7a7d1f6d487cd1c655815626f91b8c445c21c78ade0abd2a41e54dd8")
}

// UnpackZeroAddressNotAllowedError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error ZeroAddressNotAllowed()
func (ledgerManager *LedgerManager) UnpackZeroAddressNotAllowedError(raw []byte) (*LedgerManagerZeroAddressNotAllowed, error) {
	out := new(LedgerManagerZeroAddressNotAllowed)
	if err := ledgerManager.abi.UnpackIntoInterface(out, "ZeroAddressNotAllowed", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// LedgerManagerZeroAmountNotAllowed represents a ZeroAmountNotAllowed error raised by the LedgerManager contract.
type LedgerManagerZeroAmountNotAllowed struct {
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error ZeroAmountNotAllowed()
func LedgerManagerZeroAmountNotAllowedErrorID() common.Hash {
	return common.HexToHash("0x0f43956a01bd2caa5c3664a47ae884c4321e134e428629b5fa686c2761f81083")
}

// UnpackZeroAmountNotAllowedError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error ZeroAmountNotAllowed()
func (ledgerManager *LedgerManager) UnpackZeroAmountNotAllowedError(raw []byte) (*LedgerManagerZeroAmountNotAllowed, error) {
	out := new(LedgerManagerZeroAmountNotAllowed)
	if err := ledgerManager.abi.UnpackIntoInterface(out, "ZeroAmountNotAllowed", raw); err != nil {
		return nil, err
	}
	return out, nil
}
