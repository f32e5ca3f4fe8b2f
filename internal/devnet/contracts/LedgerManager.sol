// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.28;

import {IInference, ILedger, Ledger, ServiceInfo} from "./Shared.sol";

/// The devnet's main accounts: one ledger a wallet, and the registry of service contracts by name. It keeps the outward
/// behaviour of the network's contract (calls, errors, events, minimums); its insides are its own.
contract LedgerManager is ILedger {
    uint256 public immutable MIN_ACCOUNT_BALANCE;
    uint256 public immutable MIN_TRANSFER_AMOUNT;
    uint256 public constant MAX_PROVIDERS_PER_BATCH = 20;
    uint256 public constant MAX_PROVIDERS_PER_USER_PER_SERVICE = 50;
    uint256 public constant MAX_ADDITIONAL_INFO_LENGTH = 4096;
    uint256 public constant MAX_SERVICES = 500;

    address public owner;
    address[] private users; // of the ledgers there are
    mapping(address => uint256) private place; // in users, from 1; 0: no ledger
    mapping(address => Ledger) private ledgers;
    mapping(address => mapping(address => address[])) private providers; // user, service contract
    address[] private services;
    mapping(address => ServiceInfo) private infos;
    mapping(string => address) private byName;
    mapping(address => bool) private locked;

    error LedgerNotExists(address user);
    error LedgerExists(address user);
    error InsufficientBalance(address user);
    error MinimumDepositRequired(uint256 provided, uint256 required);
    error InsufficientAvailableBalance(uint256 available, uint256 required);
    error ServiceNotFound(address service);
    error CallFailed();
    error TooManyProvidersForService(uint256 current, uint256 limit);
    error TooManyProviders(uint256 requested, uint256 limit);
    error MustWithdrawAllFundsFirst(uint256 balance);
    error ZeroAmountNotAllowed();
    error ZeroAddressNotAllowed();
    error AdditionalInfoTooLong(uint256 length, uint256 limit);
    error DirectDepositsDisabled();
    error TransferFailed();
    error LedgerLocked();
    error NoRecommendedService(string serviceType);
    error AlreadyInitialized();

    event FundSpent(address indexed user, address indexed service, uint256 amount);
    event LedgerInfoUpdated(address indexed user, string additionalInfo);
    event ServiceRegistered(address indexed serviceAddress, string serviceName);
    event RecommendedServiceUpdated(string serviceType, string version, address serviceAddress);

    constructor(uint256 minAccount, uint256 minTransfer) {
        MIN_ACCOUNT_BALANCE = minAccount;
        MIN_TRANSFER_AMOUNT = minTransfer;
    }

    /// For the proxy in front of it, which has the storage.
    function initialize() external {
        if (owner != address(0)) revert AlreadyInitialized();
        owner = msg.sender;
    }

    receive() external payable {
        revert DirectDepositsDisabled();
    }

    modifier exclusive(address user) {
        if (locked[user]) revert LedgerLocked();
        locked[user] = true;
        _;
        locked[user] = false;
    }

    // ---- registry

    function registerService(string calldata serviceType, string calldata version, address service, string calldata description) external {
        require(msg.sender == owner, "Ownable: caller is not the owner");
        string memory name = string.concat(serviceType, "-", version);
        services.push(service);
        infos[service] = ServiceInfo(service, service, serviceType, version, name, description, true, block.timestamp);
        byName[name] = service;
        emit ServiceRegistered(service, name);
        emit RecommendedServiceUpdated(serviceType, version, service);
    }

    function getServiceInfo(address service) external view returns (ServiceInfo memory) {
        return infos[service];
    }

    function getServiceAddressByName(string calldata name) external view returns (address) {
        return byName[name];
    }

    function getRecommendedService(string calldata serviceType) external view returns (string memory version, address serviceAddress) {
        for (uint256 i = 0; i < services.length; i++) {
            ServiceInfo storage s = infos[services[i]];
            if (s.isRecommended && same(s.serviceType, serviceType)) return (s.version, s.serviceAddress);
        }
        revert NoRecommendedService(serviceType);
    }

    function isRecommendedVersion(string calldata serviceType, string calldata version) external view returns (bool) {
        address service = byName[string.concat(serviceType, "-", version)];
        return service != address(0) && infos[service].isRecommended;
    }

    function getAllActiveServices() external view returns (ServiceInfo[] memory list) {
        list = new ServiceInfo[](services.length);
        for (uint256 i = 0; i < services.length; i++) list[i] = infos[services[i]];
    }

    function getAllVersions(string calldata serviceType)
        external
        view
        returns (string[] memory versions, address[] memory addresses, bool[] memory isRecommended)
    {
        uint256 n;
        for (uint256 i = 0; i < services.length; i++) if (same(infos[services[i]].serviceType, serviceType)) n++;
        versions = new string[](n);
        addresses = new address[](n);
        isRecommended = new bool[](n);
        n = 0;
        for (uint256 i = 0; i < services.length; i++) {
            ServiceInfo storage s = infos[services[i]];
            if (!same(s.serviceType, serviceType)) continue;
            (versions[n], addresses[n], isRecommended[n]) = (s.version, s.serviceAddress, s.isRecommended);
            n++;
        }
    }

    function same(string memory a, string memory b) private pure returns (bool) {
        return keccak256(bytes(a)) == keccak256(bytes(b));
    }

    // ---- reads

    function getLedger(address user) external view returns (Ledger memory) {
        return ledgers[existing(user)];
    }

    function getLedgerProviders(address user, string calldata serviceName) external view returns (address[] memory) {
        return providers[user][serviceOf(serviceName)];
    }

    function getAllLedgers(uint256 offset, uint256 limit) external view returns (Ledger[] memory list, uint256 total) {
        total = users.length;
        if (offset >= total) return (new Ledger[](0), total);
        if (limit == 0) limit = 50;
        uint256 end = offset + limit;
        if (end > total) end = total;
        list = new Ledger[](end - offset);
        for (uint256 i = offset; i < end; i++) list[i - offset] = ledgers[users[i]];
    }

    function existing(address user) private view returns (address) {
        if (place[user] == 0) revert LedgerNotExists(user);
        return user;
    }

    function serviceOf(string calldata name) private view returns (address service) {
        service = byName[name];
        if (service == address(0)) revert ServiceNotFound(address(0));
    }

    // ---- money in

    function addLedger(string calldata additionalInfo) external payable exclusive(msg.sender) returns (uint256, uint256) {
        if (place[msg.sender] != 0) revert LedgerExists(msg.sender);
        open(msg.sender, msg.value, additionalInfo);
        return (place[msg.sender] - 1, msg.value);
    }

    function depositFund() external payable exclusive(msg.sender) {
        deposit(msg.sender);
    }

    function depositFundFor(address recipient) external payable exclusive(recipient) {
        if (recipient == address(0)) revert ZeroAddressNotAllowed();
        deposit(recipient);
    }

    function deposit(address user) private {
        if (msg.value == 0) revert ZeroAmountNotAllowed();
        if (place[user] == 0) {
            open(user, msg.value, "");
            return;
        }
        ledgers[user].availableBalance += msg.value;
        ledgers[user].totalBalance += msg.value;
    }

    function open(address user, uint256 amount, string memory info) private {
        if (amount < MIN_ACCOUNT_BALANCE) revert MinimumDepositRequired(amount, MIN_ACCOUNT_BALANCE);
        checkInfo(info);
        users.push(user);
        place[user] = users.length;
        ledgers[user] = Ledger(user, amount, amount, info);
    }

    function checkInfo(string memory info) private pure {
        if (bytes(info).length > MAX_ADDITIONAL_INFO_LENGTH) revert AdditionalInfoTooLong(bytes(info).length, MAX_ADDITIONAL_INFO_LENGTH);
    }

    function updateAdditionalInfo(string calldata info) external {
        checkInfo(info);
        ledgers[existing(msg.sender)].additionalInfo = info;
        emit LedgerInfoUpdated(msg.sender, info);
    }

    // ---- ledger to sub-account and back

    function transferFund(address provider, string calldata serviceName, uint256 amount) external exclusive(msg.sender) {
        Ledger storage l = ledgers[existing(msg.sender)];
        IInference service = IInference(serviceOf(serviceName));
        uint256 moves = amount;
        bytes memory call;
        if (!service.accountExists(msg.sender, provider)) {
            if (amount < MIN_TRANSFER_AMOUNT) revert MinimumDepositRequired(amount, MIN_TRANSFER_AMOUNT);
            address[] storage list = providers[msg.sender][address(service)];
            if (list.length >= MAX_PROVIDERS_PER_USER_PER_SERVICE) revert TooManyProvidersForService(list.length, MAX_PROVIDERS_PER_USER_PER_SERVICE);
            list.push(provider);
            call = abi.encodeCall(IInference.addAccount, (msg.sender, provider, l.additionalInfo));
        } else {
            uint256 pending = service.getPendingRefund(msg.sender, provider);
            uint256 cancel = amount < pending ? amount : pending;
            moves = amount - cancel;
            call = abi.encodeCall(IInference.depositFund, (msg.sender, provider, cancel));
        }
        if (l.availableBalance < moves) revert InsufficientAvailableBalance(l.availableBalance, moves);
        l.availableBalance -= moves;
        // The last hop hides why it failed, as the network's does.
        (bool ok,) = address(service).call{value: moves}(call);
        if (!ok) revert CallFailed();
    }

    function retrieveFund(address[] calldata list, string calldata serviceName) external exclusive(msg.sender) {
        if (list.length > MAX_PROVIDERS_PER_BATCH) revert TooManyProviders(list.length, MAX_PROVIDERS_PER_BATCH);
        Ledger storage l = ledgers[existing(msg.sender)];
        IInference service = IInference(serviceOf(serviceName));
        for (uint256 i = 0; i < list.length; i++) {
            if (!service.accountExists(msg.sender, list[i])) continue;
            (uint256 paid,,) = service.processRefund(msg.sender, list[i]);
            l.availableBalance += paid;
            service.requestRefundAll(msg.sender, list[i]);
        }
    }

    /// Service contracts hand matured refunds back through here.
    function receiveRefund() external payable {}

    function spendFund(address user, uint256 amount) external {
        if (infos[msg.sender].serviceAddress == address(0)) revert ServiceNotFound(msg.sender);
        Ledger storage l = ledgers[existing(user)];
        uint256 held = l.totalBalance - l.availableBalance;
        if (held < amount) revert InsufficientAvailableBalance(held, amount);
        l.totalBalance -= amount;
        emit FundSpent(user, msg.sender, amount);
    }

    // ---- money out

    function refund(uint256 amount) external exclusive(msg.sender) {
        Ledger storage l = ledgers[existing(msg.sender)];
        if (l.availableBalance < amount) revert InsufficientBalance(msg.sender);
        uint256 rest = l.availableBalance - amount;
        if (rest != 0 && rest < MIN_ACCOUNT_BALANCE) revert MinimumDepositRequired(rest, MIN_ACCOUNT_BALANCE);
        l.availableBalance = rest;
        l.totalBalance -= amount;
        if (l.totalBalance == 0) remove(msg.sender);
        (bool ok,) = msg.sender.call{value: amount}("");
        if (!ok) revert TransferFailed();
    }

    function deleteLedger() external exclusive(msg.sender) {
        uint256 total = ledgers[existing(msg.sender)].totalBalance;
        if (total != 0) revert MustWithdrawAllFundsFirst(total);
        remove(msg.sender);
    }

    function remove(address user) private {
        for (uint256 i = 0; i < services.length; i++) {
            address[] storage list = providers[user][services[i]];
            for (uint256 k = 0; k < list.length; k++) IInference(services[i]).deleteAccount(user, list[k]);
            delete providers[user][services[i]];
        }
        uint256 at = place[user] - 1;
        address last = users[users.length - 1];
        users[at] = last;
        place[last] = at + 1;
        users.pop();
        delete place[user];
        delete ledgers[user];
    }
}
