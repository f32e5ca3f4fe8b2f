// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.28;

import {Account, ILedger, IInference, Refund, Service, ServiceParams, TEESettlementData} from "./Shared.sol";

/// The devnet's provider registry and sub-accounts, with the outward behaviour of the network's contract.
contract InferenceServing is IInference {
    uint256 public constant MIN_PROVIDER_STAKE = 100 ether;
    uint256 public constant MIN_LOCKTIME = 1 hours;
    uint256 public constant MAX_LOCKTIME = 7 days;
    uint256 public constant MAX_ADDITIONAL_INFO_LENGTH = 4096;
    uint256 private constant PAGE = 50;
    uint256 private constant MAX_BATCH = 500;
    uint256 private constant MAX_REFUNDS = 5;
    bytes32 private constant SETTLEMENT =
        keccak256("TEESettlement(bytes32 requestsHash,uint256 nonce,address provider,address user,uint256 totalFee)");

    address public owner;
    address public ledgerAddress;
    uint256 public lockTime;

    address[] private providerList;
    mapping(address => uint256) private providerPlace; // from 1; 0: no service
    mapping(address => Service) private serviceOf;
    mapping(address => uint256) private stakeOf;

    bytes32[] private accountList;
    mapping(bytes32 => uint256) private accountPlace;
    mapping(bytes32 => Account) private accountOf;
    mapping(address => bytes32[]) private byUser;
    mapping(address => bytes32[]) private byProvider;
    mapping(bytes32 => uint256[2]) private memory_; // nonce and generation, which outlive a deleted account

    error AccountNotExists(address user, address provider);
    error ServiceNotExist(address provider);
    error CannotRevokeWithNonZeroBalance(address user, address provider, uint256 balance);
    error LimitTooLarge(uint256 limit, uint256 max);
    error BatchSizeTooLarge(uint256 size, uint256 max);
    error CallerNotLedger(address caller);
    error ProviderCannotBeUser();
    error InvalidAddress(address addr);
    error NoSettlementsProvided();
    error TooManySettlements(uint256 count, uint256 max);
    error InsufficientStake(uint256 provided, uint256 required);
    error CannotAddStakeWhenUpdating();
    error LockTimeOutOfRange(uint256 lockTime, uint256 min, uint256 max);
    error AdditionalInfoTooLong();
    error TooManyRefunds(address user, address provider);
    error TransferFailed();
    error AlreadyInitialized();

    event BalanceUpdated(address indexed user, address indexed provider, uint256 amount, uint256 pendingRefund);
    event RefundRequested(address indexed user, address indexed provider, uint256 indexed index, uint256 timestamp);
    event TEESettlementResult(address indexed user, uint8 status, uint256 unsettledAmount);
    event ServiceUpdated(
        address indexed service, string serviceType, string url, uint256 inputPrice, uint256 outputPrice, uint256 updatedAt, string model, string verifiability
    );
    event ServiceRemoved(address indexed service);
    event ProviderTEESignerAcknowledged(address indexed provider, address indexed teeSigner, bool acknowledged);
    event TokenRevoked(address indexed user, address indexed provider, uint8 tokenId);
    event TokensRevoked(address indexed user, address indexed provider, uint8[] tokenIds);
    event AllTokensRevoked(address indexed user, address indexed provider, uint256 newGeneration);
    event AccountDeleted(address indexed user, address indexed provider, uint256 refundedAmount);
    event LockTimeUpdated(uint256 oldLockTime, uint256 newLockTime);
    event ProviderStaked(address indexed provider, uint256 amount);
    event ProviderStakeReturned(address indexed provider, uint256 amount);

    /// For the proxy in front of it, which has the storage.
    function initialize(address ledger, uint256 lock) external {
        if (owner != address(0)) revert AlreadyInitialized();
        owner = msg.sender;
        ledgerAddress = ledger;
        lockTime = lock;
    }

    modifier onlyOwner() {
        require(msg.sender == owner, "Ownable: caller is not the owner");
        _;
    }

    modifier onlyLedger() {
        if (msg.sender != ledgerAddress) revert CallerNotLedger(msg.sender);
        _;
    }

    // ---- services

    function addOrUpdateService(ServiceParams calldata p) external payable {
        if (bytes(p.additionalInfo).length > MAX_ADDITIONAL_INFO_LENGTH) revert AdditionalInfoTooLong();
        Service storage s = serviceOf[msg.sender];
        if (providerPlace[msg.sender] == 0) {
            if (msg.value < MIN_PROVIDER_STAKE) revert InsufficientStake(msg.value, MIN_PROVIDER_STAKE);
            providerList.push(msg.sender);
            providerPlace[msg.sender] = providerList.length;
            stakeOf[msg.sender] = msg.value;
            s.provider = msg.sender;
            emit ProviderStaked(msg.sender, msg.value);
        } else {
            if (msg.value != 0) revert CannotAddStakeWhenUpdating();
            // Whoever vouched for the signer vouched for it as part of this service.
            if (
                !same(s.serviceType, p.serviceType) || !same(s.model, p.model) || !same(s.verifiability, p.verifiability)
                    || !same(s.additionalInfo, p.additionalInfo) || s.teeSignerAddress != p.teeSignerAddress
            ) s.teeSignerAcknowledged = false;
        }
        s.serviceType = p.serviceType;
        s.url = p.url;
        s.model = p.model;
        s.verifiability = p.verifiability;
        s.inputPrice = p.inputPrice;
        s.outputPrice = p.outputPrice;
        s.additionalInfo = p.additionalInfo;
        s.teeSignerAddress = p.teeSignerAddress;
        s.updatedAt = block.timestamp;
        emit ServiceUpdated(msg.sender, p.serviceType, p.url, p.inputPrice, p.outputPrice, block.timestamp, p.model, p.verifiability);
    }

    function same(string memory a, string memory b) private pure returns (bool) {
        return keccak256(bytes(a)) == keccak256(bytes(b));
    }

    function removeService() external {
        uint256 at = providerPlace[known(msg.sender)];
        address last = providerList[providerList.length - 1];
        providerList[at - 1] = last;
        providerPlace[last] = at;
        providerList.pop();
        delete providerPlace[msg.sender];
        delete serviceOf[msg.sender];
        uint256 stake = stakeOf[msg.sender];
        delete stakeOf[msg.sender];
        emit ServiceRemoved(msg.sender);
        emit ProviderStakeReturned(msg.sender, stake);
        pay(msg.sender, stake);
    }

    function known(address provider) private view returns (address) {
        if (providerPlace[provider] == 0) revert ServiceNotExist(provider);
        return provider;
    }

    function acknowledgeTEESignerByOwner(address provider) external onlyOwner {
        vouch(provider, true);
    }

    function revokeTEESignerAcknowledgement(address provider) external onlyOwner {
        vouch(provider, false);
    }

    function vouch(address provider, bool yes) private {
        Service storage s = serviceOf[known(provider)];
        s.teeSignerAcknowledged = yes;
        emit ProviderTEESignerAcknowledged(provider, s.teeSignerAddress, yes);
    }

    function updateLockTime(uint256 lock) external onlyOwner {
        if (lock < MIN_LOCKTIME || lock > MAX_LOCKTIME) revert LockTimeOutOfRange(lock, MIN_LOCKTIME, MAX_LOCKTIME);
        emit LockTimeUpdated(lockTime, lock);
        lockTime = lock;
    }

    function getService(address provider) external view returns (Service memory) {
        return serviceOf[known(provider)];
    }

    function serviceExists(address provider) external view returns (bool) {
        return providerPlace[provider] != 0;
    }

    function getAllServices(uint256 offset, uint256 limit) external view returns (Service[] memory services, uint256 total) {
        (uint256 from, uint256 to) = page(offset, limit, providerList.length);
        services = new Service[](to - from);
        for (uint256 i = from; i < to; i++) services[i - from] = serviceOf[providerList[i]];
        total = providerList.length;
    }

    function page(uint256 offset, uint256 limit, uint256 total) private pure returns (uint256 from, uint256 to) {
        if (limit > PAGE) revert LimitTooLarge(limit, PAGE);
        if (limit == 0) limit = PAGE;
        to = offset + limit;
        if (to > total) to = total;
        from = offset > to ? to : offset;
    }

    // ---- sub-accounts: reads

    function id(address user, address provider) private pure returns (bytes32) {
        return keccak256(abi.encode(user, provider));
    }

    function existing(address user, address provider) private view returns (Account storage) {
        bytes32 k = id(user, provider);
        if (accountPlace[k] == 0) revert AccountNotExists(user, provider);
        return accountOf[k];
    }

    function getAccount(address user, address provider) external view returns (Account memory) {
        return existing(user, provider);
    }

    function accountExists(address user, address provider) external view returns (bool) {
        return accountPlace[id(user, provider)] != 0;
    }

    function getPendingRefund(address user, address provider) external view returns (uint256) {
        return existing(user, provider).pendingRefund;
    }

    function isTokenRevoked(address user, address provider, uint8 tokenId) external view returns (bool) {
        return existing(user, provider).revokedBitmap & (1 << tokenId) != 0;
    }

    function getAllAccounts(uint256 offset, uint256 limit) external view returns (Account[] memory accounts, uint256 total) {
        return (collect(accountList, offset, limit), accountList.length);
    }

    function getAccountsByUser(address user, uint256 offset, uint256 limit) external view returns (Account[] memory accounts, uint256 total) {
        return (collect(byUser[user], offset, limit), byUser[user].length);
    }

    function getAccountsByProvider(address provider, uint256 offset, uint256 limit)
        external
        view
        returns (Account[] memory accounts, uint256 total)
    {
        return (collect(byProvider[provider], offset, limit), byProvider[provider].length);
    }

    function collect(bytes32[] storage keys, uint256 offset, uint256 limit) private view returns (Account[] memory list) {
        (uint256 from, uint256 to) = page(offset, limit, keys.length);
        list = new Account[](to - from);
        for (uint256 i = from; i < to; i++) list[i - from] = accountOf[keys[i]];
    }

    function getBatchAccountsByUsers(address[] calldata users) external view returns (Account[] memory accounts) {
        if (users.length > MAX_BATCH) revert BatchSizeTooLarge(users.length, MAX_BATCH);
        accounts = new Account[](users.length);
        for (uint256 i = 0; i < users.length; i++) accounts[i] = accountOf[id(users[i], msg.sender)];
    }

    // ---- sub-accounts: the user's own calls

    function acknowledgeTEESigner(address provider, bool acknowledged) external {
        Account storage a = existing(msg.sender, provider);
        if (!acknowledged && a.balance != 0) revert CannotRevokeWithNonZeroBalance(msg.sender, provider, a.balance);
        a.acknowledged = acknowledged;
    }

    function revokeToken(address provider, uint8 tokenId) external {
        existing(msg.sender, provider).revokedBitmap |= 1 << tokenId;
        emit TokenRevoked(msg.sender, provider, tokenId);
    }

    function revokeTokens(address provider, uint8[] calldata tokenIds) external {
        Account storage a = existing(msg.sender, provider);
        for (uint256 i = 0; i < tokenIds.length; i++) a.revokedBitmap |= 1 << tokenIds[i];
        emit TokensRevoked(msg.sender, provider, tokenIds);
    }

    function revokeAllTokens(address provider) external {
        Account storage a = existing(msg.sender, provider);
        a.generation++;
        a.revokedBitmap = 0;
        emit AllTokensRevoked(msg.sender, provider, a.generation);
    }

    // ---- sub-accounts: the ledger's calls

    function addAccount(address user, address provider, string calldata additionalInfo) external payable onlyLedger returns (uint256, uint256) {
        if (provider == address(0)) revert InvalidAddress(provider);
        if (provider == user) revert ProviderCannotBeUser();
        bytes32 k = id(user, provider);
        Account storage a = accountOf[k];
        a.user = user;
        a.provider = provider;
        a.balance = msg.value;
        a.additionalInfo = additionalInfo;
        a.acknowledged = true;
        a.nonce = memory_[k][0];
        a.generation = memory_[k][1];
        accountList.push(k);
        accountPlace[k] = accountList.length;
        byUser[user].push(k);
        byProvider[provider].push(k);
        emit BalanceUpdated(user, provider, a.balance, 0);
        return (a.balance, 0);
    }

    function depositFund(address user, address provider, uint256 cancelRetrievingAmount) external payable onlyLedger {
        Account storage a = existing(user, provider);
        cancelRefunds(a, cancelRetrievingAmount);
        a.balance += msg.value;
        a.acknowledged = true;
        emit BalanceUpdated(user, provider, a.balance, a.pendingRefund);
    }

    /// Takes an amount back from the refunds that wait, the newest first.
    function cancelRefunds(Account storage a, uint256 amount) private {
        a.pendingRefund -= amount;
        while (amount > 0) {
            Refund storage r = a.refunds[a.validRefundsLength - 1];
            if (r.amount > amount) {
                r.amount -= amount;
                return;
            }
            amount -= r.amount;
            a.validRefundsLength--;
        }
    }

    function requestRefundAll(address user, address provider) external onlyLedger {
        Account storage a = existing(user, provider);
        uint256 amount = a.balance - a.pendingRefund;
        uint256 at = a.validRefundsLength;
        if (amount > 0) {
            if (at >= MAX_REFUNDS) revert TooManyRefunds(user, provider);
            Refund memory r = Refund(at, amount, block.timestamp, false);
            if (at < a.refunds.length) a.refunds[at] = r;
            else a.refunds.push(r);
            a.validRefundsLength = at + 1;
            a.pendingRefund += amount;
        }
        emit RefundRequested(user, provider, at, block.timestamp);
    }

    function processRefund(address user, address provider)
        external
        onlyLedger
        returns (uint256 totalAmount, uint256 balance, uint256 pendingRefund)
    {
        Account storage a = existing(user, provider);
        uint256 kept;
        for (uint256 i = 0; i < a.validRefundsLength; i++) {
            Refund memory r = a.refunds[i];
            if (block.timestamp >= r.createdAt + lockTime) {
                totalAmount += r.amount;
                continue;
            }
            r.index = kept;
            a.refunds[kept++] = r;
        }
        a.validRefundsLength = kept;
        if (totalAmount > 0) {
            a.balance -= totalAmount;
            a.pendingRefund -= totalAmount;
            emit BalanceUpdated(user, provider, a.balance, a.pendingRefund);
            ILedger(ledgerAddress).receiveRefund{value: totalAmount}();
        }
        return (totalAmount, a.balance, a.pendingRefund);
    }

    function deleteAccount(address user, address provider) external onlyLedger {
        bytes32 k = id(user, provider);
        if (accountPlace[k] == 0) return;
        Account storage a = accountOf[k];
        memory_[k] = [a.nonce, a.generation];
        emit AccountDeleted(user, provider, a.balance);
        uint256 at = accountPlace[k];
        bytes32 last = accountList[accountList.length - 1];
        accountList[at - 1] = last;
        accountPlace[last] = at;
        accountList.pop();
        delete accountPlace[k];
        drop(byUser[user], k);
        drop(byProvider[provider], k);
        delete accountOf[k];
    }

    function drop(bytes32[] storage list, bytes32 k) private {
        for (uint256 i = 0; i < list.length; i++) {
            if (list[i] != k) continue;
            list[i] = list[list.length - 1];
            list.pop();
            return;
        }
    }

    // ---- settlement

    function domainSeparator() public view returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("0G Inference Serving"),
                keccak256("1"),
                block.chainid,
                address(this)
            )
        );
    }

    function settleFeesWithTEE(TEESettlementData[] calldata list) external returns (uint8[] memory statuses) {
        if (list.length == 0) revert NoSettlementsProvided();
        if (list.length > PAGE) revert TooManySettlements(list.length, PAGE);
        statuses = new uint8[](list.length);
        uint256 payout;
        for (uint256 i = 0; i < list.length; i++) {
            TEESettlementData calldata d = list[i];
            (uint8 status, uint256 take) = judge(d);
            uint256 unsettled = d.totalFee;
            if (status <= 1) {
                unsettled = d.totalFee - take;
                debit(d, take);
                payout += take;
            }
            statuses[i] = status;
            emit TEESettlementResult(d.user, status, unsettled);
        }
        if (payout > 0) pay(msg.sender, payout);
    }

    function previewSettlementResults(TEESettlementData[] calldata list)
        external
        view
        returns (address[] memory failedUsers, uint8[] memory failureReasons, address[] memory partialUsers, uint256[] memory partialAmounts)
    {
        uint256 failed;
        uint256 partials;
        for (uint256 i = 0; i < list.length; i++) {
            (uint8 status,) = judge(list[i]);
            if (status == 1) partials++;
            else if (status > 1) failed++;
        }
        failedUsers = new address[](failed);
        failureReasons = new uint8[](failed);
        partialUsers = new address[](partials);
        partialAmounts = new uint256[](partials);
        (failed, partials) = (0, 0);
        for (uint256 i = 0; i < list.length; i++) {
            (uint8 status, uint256 take) = judge(list[i]);
            if (status == 1) {
                partialUsers[partials] = list[i].user;
                partialAmounts[partials++] = list[i].totalFee - take;
            } else if (status > 1) {
                failedUsers[failed] = list[i].user;
                failureReasons[failed++] = status;
            }
        }
    }

    /// The checks come in the network's order, which decides what a provider is told when several fail.
    function judge(TEESettlementData calldata d) private view returns (uint8 status, uint256 take) {
        if (d.provider != msg.sender) return (2, 0);
        bytes32 k = id(d.user, d.provider);
        if (accountPlace[k] == 0) return (5, 0);
        if (providerPlace[msg.sender] == 0) return (2, 0);
        Account storage a = accountOf[k];
        Service storage s = serviceOf[msg.sender];
        if (!a.acknowledged || !s.teeSignerAcknowledged || s.teeSignerAddress == address(0)) return (3, 0);
        if (d.nonce <= a.nonce) return (4, 0);
        bytes32 digest = keccak256(
            abi.encodePacked("\x19\x01", domainSeparator(), keccak256(abi.encode(SETTLEMENT, d.requestsHash, d.nonce, d.provider, d.user, d.totalFee)))
        );
        if (recover(digest, d.signature) != s.teeSignerAddress) return (5, 0);
        return d.totalFee > a.balance ? (1, a.balance) : (0, d.totalFee);
    }

    function recover(bytes32 digest, bytes calldata sig) private pure returns (address) {
        if (sig.length != 65) return address(0);
        bytes32 r = bytes32(sig[0:32]);
        bytes32 s = bytes32(sig[32:64]);
        // Of the two valid values of s only the lower one is taken.
        if (uint256(s) > 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0) return address(0);
        return ecrecover(digest, uint8(sig[64]), r, s);
    }

    function debit(TEESettlementData calldata d, uint256 take) private {
        Account storage a = existing(d.user, d.provider);
        a.nonce = d.nonce;
        if (take == 0) return;
        // Money that waits to be refunded can still be taken, the newest refund first.
        uint256 free = a.balance - a.pendingRefund;
        if (take > free) cancelRefunds(a, take - free);
        a.balance -= take;
        ILedger(ledgerAddress).spendFund(d.user, take);
        emit BalanceUpdated(d.user, d.provider, a.balance, a.pendingRefund);
    }

    function pay(address to, uint256 amount) private {
        (bool ok,) = to.call{value: amount}("");
        if (!ok) revert TransferFailed();
    }
}
